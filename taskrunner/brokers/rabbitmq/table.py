"""AMQP field tables as JSON values. Whatever a foreign client put in, nothing here raises on a value.

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
    ord("T"): (struct.Struct(">Q"), lambda seconds: _moment(seconds)),
}


def decode_table(raw: bytes, depth: int = 0) -> dict[str, object]:
    """The table whose bytes (without length) these are; what follows an unknown type is left out."""
    table: dict[str, object] = {}
    offset = 0
    while offset < len(raw):
        size = raw[offset]
        name = raw[offset + 1 : offset + 1 + size].decode(errors="replace")
        try:
            table[name], offset = _value(raw, offset + 1 + size, depth)
        except (struct.error, IndexError, _UnknownTypeError):
            break
    return table


class _UnknownTypeError(Exception):
    """A value whose length nobody knows."""


def _value(raw: bytes, offset: int, depth: int) -> tuple[object, int]:
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
    return _long(chr(kind), raw[start:end], depth), end


def _long(kind: str, raw: bytes, depth: int) -> object:
    if kind in "Sx":
        return _text(raw)
    if depth >= MAX_DEPTH:
        return None
    return decode_table(raw, depth + 1) if kind == "F" else _array(raw, depth + 1)


def _array(raw: bytes, depth: int) -> list[object]:
    values: list[object] = []
    offset = 0
    while offset < len(raw):
        try:
            value, offset = _value(raw, offset, depth)
        except (struct.error, IndexError, _UnknownTypeError):
            break
        values.append(value)
    return values


def _text(raw: bytes) -> str:
    """Text as text; other bytes in Base64."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _moment(seconds: int) -> str | int:
    """ISO 8601; the bare number where a client counted in milliseconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return seconds
