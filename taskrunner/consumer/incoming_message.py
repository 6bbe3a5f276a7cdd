"""An incoming message as an envelope: its content coding undone, and the task of a foreign client with an id.

Foreign clients send `{"url": …}` as they are used to: compressed, with a byte order mark, by AMQP 1.0.
"""

import codecs
import hashlib
import zlib
from datetime import datetime

from taskrunner.brokers.base import DeadDelivery, Delivery
from taskrunner.domain.errors import EnvelopeUnreadable, ExecutorDisabled, FieldError, TaskInvalid
from taskrunner.domain.messages import shown
from taskrunner.domain.tasks.envelope import Envelope, decode_envelope
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.task_fields import ID_PATTERN, REPORT_PREFIX
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import Value, replace

# The most that a compressed message may hold: as much as RabbitMQ 4 takes in one message.
_MAX_BYTES = 16 * 1024 * 1024
# Celery and others name the character set in content-encoding; JSON is UTF-8 (RFC 8259, section 8.1).
_PLAIN = frozenset({"", "identity", "utf-8", "utf8", "us-ascii", "binary", "8bit", "7bit"})
_GZIP = frozenset({"gzip", "x-gzip"})
# The longer mark first: UTF-32's begins with UTF-16's.
_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# RabbitMQ hands an AMQP 1.0 body that is no data section on in its encoding: a descriptor and a value,
# AMQP 1.0, sections 3.2.6 to 3.2.8. The descriptor's code has one byte or eight.
_DESCRIPTORS = (b"\x00\x53", b"\x00\x80" + bytes(7))
_DATA, _SEQUENCE, _VALUE = 0x75, 0x76, 0x77
_FOOTER = b"\x00\x53\x78"
# Strings and binaries, sections 1.6.19 and 1.6.20: the number of bytes of their length.
_TEXTS = {0xA0: 1, 0xA1: 1, 0xB0: 4, 0xB1: 4}


class IncomingMessage(Value):
    """The envelope that a message holds; `foreign` if another program published it."""

    envelope: Envelope
    foreign: bool


def read_message(
    message: Delivery | DeadDelivery, queue: str | None, settings: TaskSettings, *, now: datetime
) -> IncomingMessage:
    """Raises `EnvelopeUnreadable`, `TaskInvalid`, and `StoreUnavailable` until the executors are known.

    `queue` is that of a foreign task which names none.
    """
    content = decode_envelope(_plain(message.body, message.coding), settings.limits)
    if isinstance(content, Envelope):
        return IncomingMessage(envelope=content, foreign=False)
    if content.dedup is not None:
        # Who publishes a message gets no answer.
        reason = "is for tasks that are submitted through the API or the command line; leave it out"
        raise TaskInvalid([FieldError(field="dedup", message=reason)])
    task_id = task_id_of(message.message_id)
    try:
        task = content.to_task(settings, task_id=task_id, now=now)
    except ExecutorDisabled:
        # A message in the queue waits, as tasks do: its publisher cannot be refused any more.
        executors = settings.executors.as_enabled(content.executor or "")
        task = content.to_task(replace(settings, executors=executors), task_id=task_id, now=now)
    if content.queue is None and content.priority is None and queue is not None:
        task = replace(task, queue=queue)
    return IncomingMessage(envelope=Envelope(attempt=1, task=task), foreign=True)


def task_id_of(message_id: str | None) -> str:
    """The same task id for every delivery of a message id, which may be any bytes.

    A message without an id gets a new one at each delivery: equal bodies may be different tasks.
    """
    if not message_id:
        return new_task_id()
    if ID_PATTERN.fullmatch(message_id) and not message_id.startswith(REPORT_PREFIX):
        return message_id
    return "amqp-" + hashlib.sha256(message_id.encode(errors="surrogateescape")).hexdigest()[:32]


def _plain(body: bytes, coding: str | None) -> bytes:
    if coding is not None:
        body = _decoded(body, coding.strip().lower())
    if body[:1] == b"\x00":
        body = _section_content(body)
    if body[:1] in {b"\xef", b"\xfe", b"\xff"}:
        _refuse_foreign_mark(body)
        body = body.removeprefix(codecs.BOM_UTF8)
    return body


def _decoded(body: bytes, coding: str) -> bytes:
    if coding in _PLAIN:
        return body
    if coding not in _GZIP:
        raise EnvelopeUnreadable(
            f"content-encoding: {shown(coding)} cannot be decoded; publish the message with gzip or without"
        )
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = decompressor.decompress(body, _MAX_BYTES)
    except zlib.error as exc:
        raise EnvelopeUnreadable(f"content-encoding: is gzip, but the body is not: {exc}") from exc
    if decompressor.unconsumed_tail:
        raise EnvelopeUnreadable(f"content-encoding: gzip holds more than {_MAX_BYTES} bytes")
    if not decompressor.eof:
        raise EnvelopeUnreadable("content-encoding: is gzip, but the body ends early")
    return plain


def _refuse_foreign_mark(body: bytes) -> None:
    for mark, name in _FOREIGN_MARKS.items():
        if body.startswith(mark):
            raise EnvelopeUnreadable(f"the body is {name}, by its byte order mark; JSON is sent as UTF-8")


def _section_content(body: bytes) -> bytes:
    """The text or bytes in an AMQP 1.0 section; `body` itself when it is not a section."""
    start = next((len(each) for each in _DESCRIPTORS if body.startswith(each)), 0)
    if not start or len(body) < start + 2 or body[start] not in {_DATA, _SEQUENCE, _VALUE}:
        return body
    kind, width = body[start + 1], _TEXTS.get(body[start + 1], 0)
    if body[start] == _SEQUENCE or not width:
        what = "an amqp-sequence" if body[start] == _SEQUENCE else f"an amqp-value of type 0x{kind:02x}"
        raise EnvelopeUnreadable(f"the body is {what} of AMQP 1.0; send a data section, a string or a binary")
    begin = start + 2 + width
    size = int.from_bytes(body[start + 2 : begin], "big")
    if len(body) != begin + size and not body.startswith(_FOOTER, begin + size):
        raise EnvelopeUnreadable("the body is an AMQP 1.0 section whose length does not fit")
    return body[begin : begin + size]
