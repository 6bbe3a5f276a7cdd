"""Progress of a batch submit: one line on a terminal, redrawn at most ten times a second."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, TextIO

from taskrunner.producer.batch_reader import bounded_lines

_REDRAW = 0.1
# Carriage return, then "erase in line" of ECMA-48.
_ERASE = "\r\x1b[K"


class SubmitProgress:
    """Shows how many lines of `source` are done, with the percentage of a regular file and the rate.

    Shows nothing if `stream` is not a terminal.
    """

    def __init__(
        self,
        source: BinaryIO,
        *,
        stream: TextIO | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._stream = stream or sys.stderr
        self._monotonic = monotonic
        self._is_shown = self._stream.isatty()
        self._size_bytes = _size_bytes(source)
        self._read_bytes = 0
        self._started = self._drawn_at = monotonic()
        self._is_drawn = False

    def lines(self) -> Iterator[bytes]:
        """The lines of the source, as they are read."""
        for line in bounded_lines(self._source):
            self._read_bytes += len(line)
            yield line

    def update(self, lines: int) -> None:
        """Draw the line with the number of lines done, unless that was done within the last 0.1 s."""
        now = self._monotonic()
        if not self._is_shown or now - self._drawn_at < _REDRAW:
            return
        share = f"{min(100, self._read_bytes * 100 // self._size_bytes)} %, " if self._size_bytes else ""
        rate = lines / (now - self._started)
        self._stream.write(f"{_ERASE}submitting: {share}{lines:,} lines, {rate:,.0f} a second")
        self._stream.flush()
        self._drawn_at, self._is_drawn = now, True

    def erase(self) -> None:
        """Make room for another line on the terminal."""
        if self._is_drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._is_drawn = False


def _size_bytes(source: BinaryIO) -> int:
    """The size of a regular file; 0 for a pipe, whose end nobody knows."""
    try:
        status = os.fstat(source.fileno())
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
