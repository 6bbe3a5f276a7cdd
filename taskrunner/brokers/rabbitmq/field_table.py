"""Reads AMQP field tables as JSON values. No value of a foreign client makes it raise.

Layout: AMQP 0-9-1 section 4.2.5.5, with RabbitMQ's types:
https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3
"""

import base64
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MAX_DEPTH = 32

_FIXED: dict[int, tuple[struct.Struct, Callable[[Any], object]]] = {
    ord("t"): (struct.Struct(">B"), bool),
    ord("b"): (struct.Struct(">b"), int),
    ord("B"): (struct.Struct(">B"), int),
    ord("s"): (struct.Struct(">h"), int),
    ord("U"): (struct.Struct(">h"), int),
    ord("u"): (struct.Struct(">H"), int),
    ord("I"): (struct.Struct(">i"), int),
    ord("i"): (struct.Struct(">I"), int),
    ord("l"): (struct.Struct(">q"), int),
    ord("L"): (struct.Struct(">q"), int),
    ord("f"): (struct.Struct(">f"), float),
    ord("d"): (struct.Struct(">d"), float),
    ord("T"): (struct.Struct(">Q"), lambda seconds: _to_iso(seconds)),
}


def decode_table(raw: bytes, depth: int = 0) -> dict[str, object]:
    """The table in `raw`, which comes without its length. A value of unknown type ends the reading."""
    table: dict[str, object] = {}
    offset = 0
    while offset < len(raw):
        size = raw[offset]
        name = raw[offset + 1 : offset + 1 + size].decode(errors="replace")
        try:
            table[name], offset = _read_value(raw, offset + 1 + size, depth)
        except (struct.error, IndexError, _UnknownTypeError):
            break
    return table


class _UnknownTypeError(Exception):
    """A value of unknown length."""


def _read_value(raw: bytes, offset: int, depth: int) -> tuple[object, int]:
    kind = raw[offset]
    offset += 1
    if kind in _FIXED:
        layout, convert = _FIXED[kind]
        return convert(layout.unpack_from(raw, offset)[0]), offset + layout.size
    if kind == ord("V"):
        return None, offset
    if kind == ord("D"):
        scale, digits = struct.unpack_from(">Bi", raw, offset)
        return str(Decimal(digits).scaleb(-scale)), offset + 5
    if kind not in b"SxFA":
        raise _UnknownTypeError
    (size,) = struct.unpack_from(">I", raw, offset)
    start, end = offset + 4, offset + 4 + size
    return _read_long(chr(kind), raw[start:end], depth), end


def _read_long(kind: str, raw: bytes, depth: int) -> object:
    if kind in "Sx":
        return _to_text(raw)
    if depth >= MAX_DEPTH:
        return None
    return decode_table(raw, depth + 1) if kind == "F" else _read_array(raw, depth + 1)


def _read_array(raw: bytes, depth: int) -> list[object]:
    values: list[object] = []
    offset = 0
    while offset < len(raw):
        try:
            value, offset = _read_value(raw, offset, depth)
        except (struct.error, IndexError, _UnknownTypeError):
            break
        values.append(value)
    return values


def _to_text(raw: bytes) -> str:
    """UTF-8 as text, other bytes in Base64."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _to_iso(seconds: int) -> str | int:
    """ISO 8601; the number itself if it is out of range, as when a client counts milliseconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return seconds
