"""The frames between the consumer and its child processes: four bytes of length and a marshalled tuple.

Both ends are one program of one version on one machine, so the format is Python's own and the cheapest. The
first field of a frame is its kind. Attempts go by the tickets that the parent gave them.
"""

import marshal
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

Frame = tuple[Any, ...]
_LENGTH = struct.Struct("!I")


class WireCommand(IntEnum):
    """What the parent sends; the comment lists the fields that follow."""

    START = 0  # the pickled HandlerFactory, the log levels of all and of tasks; always the first
    RESIZE = 1  # target
    RUN = 2  # of each attempt: ticket, number, lease_ends, cancelled, task
    WITHDRAW = 3
    CANCEL = 4  # tickets
    RENEW = 5  # tickets, lease_ends
    CHECK = 6  # replace workers that hang, and answer
    ADOPT = 7  # the pickled HandlerFactory, of which handlers take over what can change


class Reply(IntEnum):
    """What the child sends."""

    READY = 0
    FINISHED = 1  # of each attempt: ticket, started, elapsed, outcome
    WITHDRAWN = 2  # tickets
    WRITTEN_OFF = 3  # ticket, started, elapsed, worker
    CHECKED = 4
    LOGGED = 5  # logger, level, text
    PROGRESS = 6  # of each attempt with news: ticket, fraction, message


def encode_frame(kind: IntEnum, *fields: Any) -> bytes:
    """Raises `ValueError` when a field is no plain value."""
    body = marshal.dumps((kind.value, *fields))
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Takes bytes in any pieces and gives each frame once it is complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
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
