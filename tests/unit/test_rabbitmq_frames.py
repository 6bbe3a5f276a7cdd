"""Our frames are the same bytes as pika's, and foreign headers never raise."""

import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties, frame, spec

from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.field_table import decode_table


@pytest.mark.parametrize("size_bytes", [0, 1, 92, 93, 300])
def test_publish_frames_equal_pikas(size_bytes: int) -> None:
    """A publish has the same bytes as pika's, for bodies of no, one and several frames."""
    body = b"b" * size_bytes
    encoder = frames.PublishEncoder.make(3, "ex", "low", 100)
    properties = BasicProperties(content_type="application/json", delivery_mode=2, message_id="ab-1")
    method = spec.Basic.Publish(exchange="ex", routing_key="low", mandatory=True)
    theirs = [frame.Method(3, method), frame.Header(3, size_bytes, properties)]
    theirs += [frame.Body(3, body[start : start + 92]) for start in range(0, size_bytes, 92)]
    assert encoder.encode("ab-1", body) == b"".join(each.marshal() for each in theirs)


def test_ack_and_nack_frames_equal_pikas() -> None:
    """Acks and nacks have the same bytes as pika's."""
    assert frames.encode_ack(2, 77, multiple=True) == frame.Method(2, spec.Basic.Ack(77, True)).marshal()
    assert frames.encode_nacks(2, [5, 9], requeue=False) == b"".join(
        frame.Method(2, spec.Basic.Nack(tag, False, False)).marshal() for tag in (5, 9)
    )
    assert (
        frames.encode_nacks(1, [5], requeue=True)
        == frame.Method(1, spec.Basic.Nack(5, False, True)).marshal()
    )


_TEXT = st.text(max_size=40) | st.none()


@given(
    st.builds(
        BasicProperties,
        content_type=_TEXT,
        content_encoding=_TEXT,
        headers=st.dictionaries(st.text(max_size=20), st.text() | st.integers(-9, 9) | st.booleans())
        | st.none(),
        delivery_mode=st.integers(1, 2) | st.none(),
        priority=st.integers(0, 9) | st.none(),
        correlation_id=_TEXT,
        reply_to=_TEXT,
        expiration=_TEXT,
        message_id=_TEXT,
        type=_TEXT,
    )
)
def test_any_header_is_read(properties: BasicProperties) -> None:
    """Message id and headers are found behind whichever properties stand before them."""
    payload = frame.Header(1, 5, properties).marshal()[7:-1]
    assert frames.message_id_of(payload) == properties.message_id
    assert decode_table(frames.headers_of(payload)) == (properties.headers or {})


@given(st.binary(max_size=60))
def test_malformed_header_never_raises(raw: bytes) -> None:
    """Broken properties of a foreign client cost its message the id, but nobody the connection."""
    frames.message_id_of(b"\0" * 12 + raw)
    frames.headers_of(b"\0" * 12 + raw)


@given(st.binary(max_size=200))
def test_table_of_any_bytes_is_json(raw: bytes) -> None:
    """Any bytes become JSON that can be stored, and nothing raises."""
    orjson.dumps(decode_table(raw))


def test_table_of_every_type() -> None:
    """Every type that RabbitMQ knows has a JSON form; what follows an unknown type is left out."""
    raw = b"".join(
        b"\x01" + name.encode() + value
        for name, value in {
            "a": b"t\x01",
            "b": b"l" + struct.pack(">q", -5),
            "c": b"D\x02" + struct.pack(">i", 314),
            "d": b"S\x00\x00\x00\x02hi",
            "e": b"x\x00\x00\x00\x01\xff",
            "f": b"T" + struct.pack(">Q", 0),
            "g": b"T" + struct.pack(">Q", 1_700_000_000_000),
            "h": b"A\x00\x00\x00\x03Vt\x00",
            "i": b"F\x00\x00\x00\x04\x01xt\x01",
            "j": b"d" + struct.pack(">d", 0.5),
            "k": b"?",
            "l": b"t\x01",
        }.items()
    )
    assert decode_table(raw) == {
        "a": True,
        "b": -5,
        "c": "3.14",
        "d": "hi",
        "e": "/w==",
        "f": "1970-01-01T00:00:00+00:00",
        "g": 1_700_000_000_000,
        "h": [None, False],
        "i": {"x": True},
        "j": 0.5,
    }
