"""Where the bytes of a connection are cut before they go to the parser of aiohttp, and what it refuses.

The parser forgets the requests before a malformed one in the same piece, so it gets requests singly. A body
is never cut at the blank lines within it.
"""

import re

from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from taskrunner.api.http.problems import Problem, http_problem
from taskrunner.api.http.resources import METHODS

_HEAD_END = b"\r\n\r\n"
# The two spellings that clients use; others only cost another call of the parser.
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ?([0-9]{1,9})\r\n")
_LAST_CHUNK = b"0\r\n"  # RFC 9112 7.1; trailers may follow, then a blank line
# RFC 9112 2.2: empty lines before a request line are ignored.
_EMPTY_LINES = re.compile(rb"[\r\n]*")

# As the parser's message quotes the line.
_REQUEST_LINE = re.compile(r"b'[!#$%&*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/[0-9]\.[0-9]'")


class RequestParts:
    """Knows whether the next byte belongs to a head or to a body."""

    __slots__ = ("_body_left", "_chunked")

    def __init__(self) -> None:
        self._body_left = 0
        self._chunked: StreamReader | None = None

    @property
    def in_body(self) -> bool:
        return self._body_left > 0 or (self._chunked is not None and not self._chunked.is_eof())

    def begin(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """The head of a request is complete; `payload` has what arrived of its body."""
        self._chunked, self._body_left = None, 0
        if payload.is_eof():
            return
        if message.chunked:
            self._chunked = payload
        else:
            length = int(message.headers.get("Content-Length", 0))
            self._body_left = max(length - payload.total_bytes, 0)

    def fed(self, count: int) -> None:
        """The parser got `count` bytes that began no request."""
        if self._body_left:
            self._body_left = max(self._body_left - count, 0)

    def is_whole_request(self, data: bytes) -> bool:
        """Whether a request begins and ends with the data."""
        end = data.find(_HEAD_END)
        if end < 0 or self._body_left or self._chunked is not None:
            return False
        length = _LENGTH.search(data, 0, end + 2)
        return length is not None and end + len(_HEAD_END) + int(length[1]) == len(data)

    def end_of_part(self, data: bytes, start: int) -> int:
        """The end of what goes to the parser at once: the head, the body, or all that there is of it."""
        if self._body_left > 0:
            return min(start + self._body_left, len(data))
        if self.in_body:
            is_last = data.startswith(_LAST_CHUNK, start)
            last = start if is_last else data.find(b"\r\n" + _LAST_CHUNK, start)
            end = data.find(_HEAD_END, last) if last >= 0 else -1
        else:
            # At the beginning of a piece, an empty line may be the end of a head.
            blank = _EMPTY_LINES.match(data, start) if start else None
            end = data.find(_HEAD_END, blank.end() if blank else start)
        return end + len(_HEAD_END) if end >= 0 else len(data)


def problem_of_parser(
    exc: BaseException | None, max_line_size: int, max_field_size: int, max_headers: int
) -> Problem:
    """Why the parser of aiohttp, which has these limits, refuses a request."""
    if isinstance(exc, LineTooLong):
        # aiohttp has one error for both, with the limit that was crossed as its second argument.
        if exc.args[1] == max_line_size:
            return http_problem(414, f"the URL is longer than {max_line_size} bytes")
        return http_problem(431, f"a header is larger than {max_field_size} bytes")
    if "Too many headers" in str(exc):
        return http_problem(431, f"more than {max_headers} headers")
    if isinstance(exc, BadHttpMethod) and _REQUEST_LINE.search(str(exc)):
        return http_problem(501, f"there are only the methods {', '.join(METHODS)}, in upper case")
    if isinstance(exc, BadStatusLine) and _REQUEST_LINE.search(str(exc)):
        return http_problem(505, "this server speaks HTTP/1.0 and HTTP/1.1")
    return http_problem(400, "this is not an HTTP request by RFC 9112")
