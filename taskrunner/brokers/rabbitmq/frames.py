"""The frequent AMQP 0-9-1 frames as bytes: publishes and acks out, deliveries and confirms in. No I/O.

pika builds objects for every frame and decodes every header. At thousands of messages a second that is most
of the event loop's time, and a header that pika cannot decode (a timestamp in milliseconds, a NaN) ends the
connection, again at each redelivery. Here a header stays bytes until somebody needs it.

Layouts: AMQP 0-9-1 specification, sections 2.3.5 (frames), 4.2.6 (content).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pika import frame, spec

FRAME_END = b"\xce"
FRAME_OVERHEAD = 8
METHOD, HEADER, BODY = 1, 2, 3
DELIVER, ACK, NACK = 0x003C003C, 0x003C0050, 0x003C0078

HEAD = struct.Struct(">BHI")
METHOD_ID = struct.Struct(">I")
TAG_AND_BIT = struct.Struct(">QB")
BODY_SIZE = struct.Struct(">Q")

_SETTLE = struct.Struct(">BHIIQBB")  # a whole ack or nack frame, end octet included
_CONTENT_HEAD = struct.Struct(">HHQ")
_BASIC_CLASS = 60
_PERSISTENT_JSON = (
    struct.pack(
        ">H",
        spec.BasicProperties.FLAG_CONTENT_TYPE
        | spec.BasicProperties.FLAG_DELIVERY_MODE
        | spec.BasicProperties.FLAG_MESSAGE_ID,
    )
    + b"\x10application/json"
    + b"\x02"
)
_NACK_REQUEUE = 0b10


@dataclass(frozen=True, slots=True)
class PublishEncoder:
    """Encodes messages for one channel, exchange and routing key: mandatory, persistent, JSON."""

    channel: int
    method: bytes
    body_limit: int

    @classmethod
    def make(cls, channel: int, exchange: str, key: str, frame_max: int) -> "PublishEncoder":
        """`frame_max` is what the connection negotiated."""
        method = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=True)
        return cls(channel, frame.Method(channel, method).marshal(), frame_max - FRAME_OVERHEAD)

    def encode(self, message_id: str, body: bytes) -> bytes:
        """The method, header and body frames of one message."""
        raw_id = message_id.encode()
        size = len(body)
        header = b"".join(
            (_CONTENT_HEAD.pack(_BASIC_CLASS, 0, size), _PERSISTENT_JSON, bytes((len(raw_id),)), raw_id)
        )
        head = HEAD.pack(HEADER, self.channel, len(header))
        if 0 < size <= self.body_limit:
            body_head = HEAD.pack(BODY, self.channel, size)
            return b"".join((self.method, head, header, FRAME_END, body_head, body, FRAME_END))
        parts = [self.method, head, header, FRAME_END]
        for start in range(0, size, self.body_limit):
            piece = body[start : start + self.body_limit]
            parts += (HEAD.pack(BODY, self.channel, len(piece)), piece, FRAME_END)
        return b"".join(parts)


def encode_ack(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """basic.ack of one delivery, or of all up to `tag`."""
    return _SETTLE.pack(METHOD, channel, 13, ACK, tag, multiple, 0xCE)


def encode_nacks(channel: int, tags: Sequence[int], *, requeue: bool) -> bytes:
    """basic.nack of each delivery; without `requeue` the queue dead-letters it."""
    bits = _NACK_REQUEUE if requeue else 0
    return b"".join(_SETTLE.pack(METHOD, channel, 13, NACK, tag, bits, 0xCE) for tag in tags)


def decode_deliver(buffer: bytes, offset: int) -> tuple[int, bool]:
    """Delivery tag and redelivered flag of a basic.deliver whose arguments begin at `offset`."""
    tag, redelivered = TAG_AND_BIT.unpack_from(buffer, offset + 1 + buffer[offset])
    return tag, bool(redelivered & 1)


# The properties before message-id, in wire order: the flag of each, and its type, which says how to skip it.
_SHORT, _TABLE, _OCTET = range(3)
_BEFORE_MESSAGE_ID = (
    (spec.BasicProperties.FLAG_CONTENT_TYPE, _SHORT),
    (spec.BasicProperties.FLAG_CONTENT_ENCODING, _SHORT),
    (spec.BasicProperties.FLAG_HEADERS, _TABLE),
    (spec.BasicProperties.FLAG_DELIVERY_MODE, _OCTET),
    (spec.BasicProperties.FLAG_PRIORITY, _OCTET),
    (spec.BasicProperties.FLAG_CORRELATION_ID, _SHORT),
    (spec.BasicProperties.FLAG_REPLY_TO, _SHORT),
    (spec.BasicProperties.FLAG_EXPIRATION, _SHORT),
)
_PROPERTIES = 12  # offset of the flags in a header frame's payload


def message_id_of(header: bytes) -> str | None:
    """The message-id in a content header's payload; None if there is none or the header is malformed."""
    if header.startswith(_PERSISTENT_JSON, _PROPERTIES):
        return _read_short_string(header, _PROPERTIES + len(_PERSISTENT_JSON))
    try:
        flags, offset, *_ = _parse_properties(header)
        return _read_short_string(header, offset) if flags & spec.BasicProperties.FLAG_MESSAGE_ID else None
    except IndexError:
        return None


def content_encoding_of(header: bytes) -> str | None:
    """The content-encoding in a content header's payload; None if there is none or it cannot be read."""
    if header.startswith(_PERSISTENT_JSON, _PROPERTIES):
        return None
    try:
        flags, *_ = _parse_properties(header)
        if not flags & spec.BasicProperties.FLAG_CONTENT_ENCODING:
            return None
        offset = _PROPERTIES + 2
        if flags & spec.BasicProperties.FLAG_CONTENT_TYPE:
            offset += 1 + header[offset]
        return _read_short_string(header, offset)
    except IndexError:
        return None


def headers_of(header: bytes) -> bytes:
    """The raw headers table in a content header's payload, without its length; empty when there is none."""
    try:
        _, _, start, end = _parse_properties(header)
    except IndexError:
        return b""
    return header[start:end]


def _parse_properties(header: bytes) -> tuple[int, int, int, int]:
    """Flags, the offset of message-id (present or not), and the bounds of the headers table."""
    flags = int.from_bytes(header[_PROPERTIES : _PROPERTIES + 2], "big")
    offset = _PROPERTIES + 2
    table = (0, 0)
    for flag, kind in _BEFORE_MESSAGE_ID:
        if not flags & flag:
            continue
        if kind == _SHORT:
            offset += 1 + header[offset]
        elif kind == _OCTET:
            offset += 1
        else:
            size = int.from_bytes(header[offset : offset + 4], "big")
            table = (offset + 4, offset + 4 + size)
            offset += 4 + size
    return flags, offset, *table


def _read_short_string(header: bytes, offset: int) -> str:
    return header[offset + 1 : offset + 1 + header[offset]].decode(errors="surrogateescape")
