"""One request and its answer inside an attempt: the raw result, before it is judged."""

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
# With these statuses a proxy speaks of the target (RFC 9110 15.6.3, 15.6.5); with any other, of itself.
_TARGET_STATUSES = frozenset({502, 504})
# CURLE_TOO_LARGE, which pycurl does not name: a head exceeded one of libcurl's own limits.
E_TOO_LARGE = 100

NO_HEAD = ResponseHead(())


class Exchange:
    """`curl_code` is 0 for an answer, else libcurl's error code, and `curl_text` libcurl's message.

    `curl_text` may hold bytes of the peer: it serves to tell cases apart and is never shown. `body` is None
    when no byte of one arrived. `lines` are all lines outside the body: heads and trailers.

    `sent` is False only if certainly no request was sent, or none that the target looked at. `stall_seconds`
    is the time without a byte that ended the exchange. `deadline` is a time of the monotonic clock, and
    `past_deadline` says that the body was still arriving then. `oversized_framing`: the framing of the body
    (chunk extensions, say) was out of all proportion to the body. `tunnel_failed`: the egress proxy opened no
    tunnel to the target; `proxy_status` is its answer, 0 for none. `refused`: the target said over
    HTTP/2 that it has processed nothing of the request.
    """

    __slots__ = (
        "body",
        "curl_code",
        "curl_text",
        "deadline",
        "dial_refused",
        "head",
        "lines",
        "oversized_framing",
        "past_deadline",
        "proxy_status",
        "refused",
        "sent",
        "stall_seconds",
        "started",
        "tunnel_failed",
    )

    def __init__(self, lines: Sequence[bytes] = (), *, timeout: float = 0.0, sent: bool = True) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout
        self.past_deadline = False
        self.head = NO_HEAD
        self.body: ResponseBody | None = None
        self.curl_code = 0
        self.curl_text = ""
        self.lines = lines
        self.oversized_framing = False
        self.dial_refused = False
        self.sent = sent
        self.stall_seconds: float | None = None
        self.tunnel_failed = False
        self.proxy_status = 0
        self.refused = False

    @property
    def stopped_at_proxy(self) -> bool:
        """Whether the egress proxy failed by itself, as far as its answer shows."""
        return self.tunnel_failed and self.proxy_status not in _TARGET_STATUSES

    @property
    def progress(self) -> tuple[int, int]:
        """Lines and bytes of the body received so far. Safe to read from any thread."""
        body = self.body
        return len(self.lines), 0 if body is None else body.wire_bytes
