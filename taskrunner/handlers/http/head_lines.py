"""The lines outside the body of an answer as they arrive: interim (1xx) heads, the head, trailers.

They are bounded by bytes, never by their number: a real head may have 150 cookies, and a slow server may send
a 102 every few seconds. A head beyond the limit keeps its first part, and the lines that say what the answer
is.
"""

from taskrunner.handlers.http.response_head import ENDS, last_block

# All heads and trailers of one exchange. libcurl itself stops at 300 KB of heads, interim ones too, or at
# 5,000 lines of one head.
MAX_TOTAL_BYTES = 512 * 1024
# The engine or the retry rules read these, so they are kept at any position.
_NEEDED = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"etag",
        b"last-modified",
        b"location",
        b"retry-after",
        b"transfer-encoding",
    }
)


class HeadLines:
    """`lines` are those that are kept, at most about `max_bytes` of one head; `size_bytes` counts all.

    `truncated`: lines of the head are missing. `flooded`: there were too many bytes to read on.
    """

    __slots__ = ("_is_open", "_max_bytes", "_room", "flooded", "lines", "size_bytes", "truncated")

    def __init__(self, max_bytes: int = 0) -> None:
        self.lines: list[bytes] = []
        self.size_bytes = 0
        self.truncated = False
        self.flooded = False
        self._max_bytes = self._room = max_bytes
        # Whether the last head lacks its end; None while there was room for every line.
        self._is_open: bool | None = None

    def add(self, line: bytes) -> bool:
        """Take a line. False to stop reading."""
        size_bytes = len(line)
        self.size_bytes += size_bytes
        self._room -= size_bytes
        if self._room >= 0:
            self.lines.append(line)
            return True
        return self._add_beyond(line)

    def _add_beyond(self, line: bytes) -> bool:
        if self.size_bytes > MAX_TOTAL_BYTES:
            self.flooded = True
            return False
        if self._is_open is None:
            self._begin_to_drop(line)
        if not self._is_open and line.startswith(b"HTTP/"):
            # The heads so far were interim ones.
            self.lines.clear()
            self.truncated = False
            self._room, self._is_open = self._max_bytes - len(line), None
            self.lines.append(line)
        elif self._is_open and (self._room >= 0 or line in ENDS or _name(line) in _NEEDED):
            self.lines.append(line)
            self._is_open = None if self._room >= 0 else line not in ENDS
        elif self._is_open:
            self.truncated = True
        return True

    def _begin_to_drop(self, line: bytes) -> None:
        """Interim heads first: they take no room from the head. Trailers are not read."""
        block, interim = last_block(self.lines)
        self._is_open = not block or block[-1] not in ENDS
        if interim:
            self.lines[:] = block
            self._room = self._max_bytes - sum(map(len, block)) - len(line)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
