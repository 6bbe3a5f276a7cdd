"""Messages of foreign clients: one id for each message id, and codings that are undone or named."""

import gzip
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.incoming_message import IncomingMessage, read_message, task_id_of
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.tasks.task_fields import ID_PATTERN
from taskrunner.domain.tasks.task_settings import TaskSettings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JSON = b'{"url":"http://target.test/x"}'
VALUE, DATA, SEQUENCE = b"\0\x53\x77", b"\0\x53\x75", b"\0\x53\x76"
EIGHT = b"\0\x80" + bytes(7) + b"\x77"
FOOTER = b"\0\x53\x78\xc1\x01\x00"


def str8(content: bytes, kind: int = 0xA1) -> bytes:
    return bytes((kind, len(content))) + content


def str32(content: bytes, kind: int = 0xB1) -> bytes:
    return bytes((kind,)) + len(content).to_bytes(4, "big") + content


def read(body: bytes, coding: str | None = None, message_id: str | None = "m") -> IncomingMessage:
    delivery = Delivery(body, "low", False, message_id, 1, 1, coding)
    return read_message(delivery, "low", TaskSettings(), now=NOW)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (JSON, None),
        (JSON, ""),
        (JSON, "utf-8"),
        (JSON, "UTF8"),
        (JSON, "identity"),
        (JSON, "binary"),
        (gzip.compress(JSON, mtime=0), "gzip"),
        (gzip.compress(JSON, mtime=0), "x-gzip"),
        (gzip.compress(JSON, mtime=0), " GZIP "),
        (b"\xef\xbb\xbf" + JSON, None),
        (gzip.compress(b"\xef\xbb\xbf" + JSON, mtime=0), "gzip"),
        (VALUE + str8(JSON), None),
        (VALUE + str32(JSON), None),
        (VALUE + str8(JSON, 0xA0), None),
        (VALUE + str32(JSON, 0xB0), None),
        (VALUE + str8(b"\xef\xbb\xbf" + JSON), "utf-8"),
        (VALUE + str8(JSON) + FOOTER, None),
        (EIGHT + str8(JSON), None),
        (DATA + str8(JSON, 0xA0), None),
    ],
)
def test_a_coding_is_undone(body: bytes, coding: str | None) -> None:
    """As the content type says less than the bytes, and clients compress by habit."""
    found = read(body, coding)
    assert found.foreign
    task = found.envelope.task
    assert (task.url, task.id, task.queue) == ("http://target.test/x", "m", "low")


@pytest.mark.parametrize(
    ("body", "coding", "named"),
    [
        (JSON, "br", "content-encoding: 'br'"),
        (zlib.compress(JSON), "deflate", "content-encoding: 'deflate'"),
        (JSON, "gzip, gzip", "content-encoding: 'gzip, gzip'"),
        (JSON, "zstd", "'zstd'"),
        (JSON, "gzip", "is gzip, but the body is not"),
        (gzip.compress(JSON, mtime=0)[:-9], "gzip", "ends early"),
        (b"", "gzip", "ends early"),
        (gzip.compress(b" " * 17_000_000, mtime=0), "gzip", "more than"),
        (JSON.decode().encode("utf-16"), None, "UTF-16"),
        (b"\xfe\xff" + JSON.decode().encode("utf-16-be"), None, "UTF-16"),
        (JSON.decode().encode("utf-32"), None, "UTF-32"),
        (VALUE + b"\xc1\x03\x02\xa1\x00", None, "amqp-value of type 0xc1"),
        (VALUE + b"\x40", None, "amqp-value of type 0x40"),
        (SEQUENCE + b"\xc0\x01\x00", None, "amqp-sequence"),
        (VALUE + str8(JSON)[:-1], None, "length does not fit"),
        (VALUE + str8(JSON) + b"more", None, "length does not fit"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, coding: str | None, named: str) -> None:
    """The dead letter shows the sentence."""
    with pytest.raises(EnvelopeUnreadable) as caught:
        read(body, coding)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "message_id",
    [
        "{7F9C24E8-3B12-4A5F-9D3C-1B2A3C4D5E6F}",
        "3q2+7w==",
        "/leading",
        "x" * 200,
        "x" * 129,
        "größe-7",
        "\udcff\udcfe",
        "with blank",
        "-7",
        "\U0001f600",
        "new\nline",
        "\0",
    ],
)
def test_an_unfit_message_id_has_one_task_id(message_id: str) -> None:
    """Each delivery of a message is the same task, and other ids are other tasks."""
    task_id = read(JSON, message_id=message_id).envelope.task.id
    assert task_id == task_id_of(message_id)
    assert ID_PATTERN.fullmatch(task_id)
    assert task_id != task_id_of(message_id + "x")


def test_a_fit_message_id_is_the_task_id() -> None:
    assert task_id_of("order-7") == "order-7"
    assert task_id_of("report:7").startswith("amqp-")


@pytest.mark.parametrize("message_id", [None, ""])
def test_messages_without_an_id_are_different_tasks(message_id: str | None) -> None:
    """Equal bodies may be two orders."""
    assert task_id_of(message_id) != task_id_of(message_id)


@given(st.binary(max_size=255), st.binary(max_size=255))
def test_ids_of_any_bytes_differ_as_their_bytes_do(one: bytes, other: bytes) -> None:
    """No two message ids become one task, which would lose the second."""
    ids = [each.decode(errors="surrogateescape") for each in (one, other)]
    if one and other:
        assert (task_id_of(ids[0]) == task_id_of(ids[1])) is (one == other)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(VALUE.__add__), st.sampled_from([None, "gzip"]))
def test_any_bytes_are_a_task_or_unreadable(body: bytes, coding: str | None) -> None:
    """Nothing else is raised, whatever a foreign client sends."""
    with suppress(EnvelopeUnreadable, TaskInvalid):
        assert read(body, coding).foreign


def test_a_message_with_dedup_is_refused_with_the_reason() -> None:
    """Who publishes gets no answer that could name the task which holds the key."""
    with pytest.raises(TaskInvalid, match="dedup: is for tasks that are submitted through the API"):
        read(b'{"url":"http://target.test/x","dedup":{"key":"k"}}')
