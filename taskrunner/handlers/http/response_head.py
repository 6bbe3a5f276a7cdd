"""The head of an answer: status and headers, from the lines that libcurl passes on."""

import re
from collections.abc import Sequence

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9112 5.2: a folded line continues the value before it.
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")
ENDS = (b"\r\n", b"\n")


# libcurl itself writes "HTTP/2" and "HTTP/3" for heads in binary frames; no server answers with "HTTP/2.0".
_STATUS_LINE = re.compile(r"HTTP/(?:1\.[01]|[23]) +([0-9]{3})\s")
_FRAMED = ("HTTP/2 ", "HTTP/3 ")


class ResponseHead:
    """The last head among `lines`. Its status is 0 if there is none, or if it is not HTTP as we know it.

    `interim` counts the 1xx answers before it, `size_lines` its lines. `is_complete`: its end was received.
    `headers` keep their order. Their values are Latin-1 text,
    which loses no byte: servers send header values in no particular encoding.
    """

    __slots__ = ("_first", "_is_framed", "headers", "interim", "is_complete", "size_lines", "status")

    def __init__(self, lines: Sequence[bytes]) -> None:
        block, self.interim = last_block(lines)
        self.size_lines = len(block)
        self.is_complete = bool(block) and block[-1] in ENDS
        text = b"".join(block).decode("latin-1")
        self.status = _status(text)
        self._is_framed = text.startswith(_FRAMED)
        if "\n " in text or "\n\t" in text:
            text = _FOLD.sub(" ", text)
        headers = []
        # Backwards, so that `first` ends with the first of several headers of one name.
        first = {}
        for line in reversed(text.split("\n")[1:]):
            name, colon, value = line.partition(":")
            if colon:
                value = value.strip()
                headers.append((name, value))
                first[name.lower()] = value
        headers.reverse()
        self.headers: list[tuple[str, str]] = headers
        self._first: dict[str, str] = first

    def value(self, name: str) -> str | None:
        """The first value of the header `name`, which is given in lower case."""
        return self._first.get(name)

    def values(self, name: str) -> list[str]:
        """Every value of the header `name`, which is given in lower case."""
        return [value for known, value in self.headers if known.lower() == name]

    @property
    def redirects(self) -> bool:
        """Whether the answer is a redirect with a Location."""
        return self.status in REDIRECTS and bool(self._first.get("location"))

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the end of the connection ends the body (RFC 9112 section 6.3, point 8).

        From HTTP/2 on, a frame ends it (RFC 9113 section 8.1).
        """
        return not self._is_framed and not self._first.keys() & {"content-length", "transfer-encoding"}


def last_block(lines: Sequence[bytes]) -> tuple[Sequence[bytes], int]:
    """The lines of the last head, and the number of heads before it. Trailers are ignored."""
    if lines and lines[-1] in ENDS and lines.index(lines[-1]) == len(lines) - 1:
        # Only the last line is empty: a single head, the usual case.
        return lines, 0
    blocks: list[list[bytes]] = []
    is_open = False
    for line in lines:
        if not is_open and line.startswith(b"HTTP/"):
            blocks.append([])
            is_open = True
        if is_open:
            blocks[-1].append(line)
            is_open = line not in ENDS
    return (blocks[-1], len(blocks) - 1) if blocks else ((), 0)


def _status(text: str) -> int:
    match = _STATUS_LINE.match(text)
    return int(match[1]) if match else 0
