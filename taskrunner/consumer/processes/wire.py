"""What parent and child of a process say to each other: frames of four bytes of length and a marshalled
tuple.

Both ends are one program of one version on one machine, so the form is Python's own and the cheapest.
The first field of a frame is its kind; attempts go by the tickets that the parent gave them.
"""

import marshal
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

Item = tuple[Any, ...]
_LENGTH = struct.Struct("!I")


class Order(IntEnum):
    """What the parent says; the fields that follow are behind each."""

    KIT = 0  # the pickled HandlerFactory, the level of logging; always the first
    RESIZE = 1  # target
    RUN = 2  # of each: ticket, attempt, lease_ends, cancelled, task
    WITHDRAW = 3
    CANCEL = 4  # tickets
    RENEW = 5  # tickets, lease_ends
    CHECK = 6  # replace workers that hang, and answer


class Report(IntEnum):
    """What the child says."""

    READY = 0
    ENDED = 1  # of each: ticket, started, elapsed, outcome
    WITHDRAWN = 2  # tickets
    WRITTEN_OFF = 3  # ticket, started, elapsed, worker
    CHECKED = 4
    LOGGED = 5  # logger, level, text


def frame(kind: IntEnum, *fields: Any) -> bytes:
    """Raises `ValueError` when a field is no plain value."""
    body = marshal.dumps((kind.value, *fields))
    return _LENGTH.pack(len(body)) + body


class Unframer:
    """Takes bytes as they come and gives items as they are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Item]:
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= _LENGTH.size:
            end = begin + _LENGTH.size + _LENGTH.unpack_from(buffer, begin)[0]
            if len(buffer) < end:
                break
            yield marshal.loads(buffer[begin + _LENGTH.size : end])  # noqa: S302 - from our own process
            begin = end
        del buffer[:begin]
