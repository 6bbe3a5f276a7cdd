"""A exchange: what came of one request, sound or not, before anybody has judged it."""

import time
from collections.abc import Sequence

from taskrunner.handlers.http.response_body import ResponseBody
from taskrunner.handlers.http.response_head import ResponseHead

# Lines of one answer's head, and of a whole exchange with its 1xx answers and trailers. libcurl itself
# stops at 300 KB per head and 6 MB per exchange, so this many lines cannot be large either.
MAX_HEAD_LINES = 100
MAX_LINES = 256
MAX_LINE_BYTES = 64 * 1024
MAX_INTERIM = 16
# With these a proxy tells of what is behind it (RFC 9110 15.6.3, 15.6.5); with any other, of itself.
_OF_THE_TARGET = frozenset({502, 504})
# A code that pycurl does not name, CURLE_TOO_LARGE: one of libcurl's own bounds on heads was reached.
E_TOO_LARGE = 100

NO_HEAD = ResponseHead(())


class Exchange:
    """How one request ended: `code` 0 and an answer, or libcurl's error code and its own words.

    `text` may hold bytes of the peer; it is for telling cases apart, never for people. `body` is None
    when no byte of one arrived. `lines` are all that stood outside the body: heads and trailers.
    `bloated`: what framed the body was out of all proportion.

    `sent` is False only if surely no request went out, or none that was looked at. `stalled` is the seconds
    without a byte that were too many. `ends_by` is a moment of the monotonic clock, and `late` says that the
    body was still coming in then. `untunnelled`: the egress proxy opened no way to the target;
    `proxy_status` is what it answered, 0 for nothing.
    """

    __slots__ = (
        "bloated",
        "body",
        "code",
        "ends_by",
        "head",
        "late",
        "lines",
        "proxy_status",
        "refused",
        "sent",
        "stalled",
        "started",
        "text",
        "untunnelled",
    )

    def __init__(self, lines: Sequence[bytes] = (), *, timeout: float = 0.0, sent: bool = True) -> None:
        self.started = time.monotonic()
        self.ends_by = self.started + timeout
        self.late = False
        self.head = NO_HEAD
        self.body: ResponseBody | None = None
        self.code = 0
        self.text = ""
        self.lines = lines
        self.bloated = False
        self.refused = False
        self.sent = sent
        self.stalled: float | None = None
        self.untunnelled = False
        self.proxy_status = 0

    @property
    def stopped_at_proxy(self) -> bool:
        """Whether it came no further than to the egress proxy, for all that this tells."""
        return self.untunnelled and self.proxy_status not in _OF_THE_TARGET

    @property
    def progress(self) -> tuple[int, int]:
        """Lines and bytes of the body that have come so far; any thread may ask."""
        body = self.body
        return len(self.lines), 0 if body is None else body.wire_bytes
