"""One request and its answer inside an attempt: the raw result, before it is judged."""

import time

import pycurl

from taskrunner.handlers.http.head_lines import HeadLines
from taskrunner.handlers.http.response_body import ResponseBody
from taskrunner.handlers.http.response_head import ResponseHead
from taskrunner.handlers.http.shortage import Shortage

# With these statuses a proxy speaks of the target (RFC 9110 15.6.3, 15.6.5); with any other, of itself.
_TARGET_STATUSES = frozenset({502, 504})
# CURLE_TOO_LARGE, which pycurl does not name: a head exceeded one of libcurl's own limits.
E_TOO_LARGE = 100
# libcurl's words for another of its limits.
_HEAD_LIMIT = "Too large response headers"

NO_HEAD = ResponseHead(())


class Exchange:
    """`curl_code` is 0 for an answer, else libcurl's error code, and `curl_text` libcurl's message.

    `curl_text` may hold bytes of the peer: it serves to tell cases apart and is never shown. `body` is None
    when no byte of one arrived. `head_lines` are the lines outside the body: heads and trailers.
    `cut_by_limit`: a limit of ours or of libcurl ended them; the status still counts.

    `sent` is False only if certainly no request was sent, or none that the target looked at. `stall_seconds`
    is the time without a byte that ended the exchange. `deadline` is a time of the monotonic clock, and
    `past_deadline` says that the body was still arriving then. `oversized_framing`: the framing of the body
    (chunk extensions, say) was out of all proportion to the body. `tunnel_failed`: the egress proxy opened no
    tunnel to the target; `proxy_status` is its answer, 0 for none. `refused`: the target said over
    HTTP/2 that it has processed nothing of the request. `unwritten`: not even a part of the request left this
    machine, although the connection was open. `shortage`: what this machine lacked for the exchange.
    """

    __slots__ = (
        "body",
        "curl_code",
        "curl_text",
        "cut_by_limit",
        "deadline",
        "dial_refused",
        "head",
        "head_lines",
        "oversized_framing",
        "past_deadline",
        "proxy_status",
        "refused",
        "sent",
        "shortage",
        "stall_seconds",
        "started",
        "tunnel_failed",
        "unwritten",
    )

    def __init__(self, *, max_header_bytes: int = 0, timeout: float = 0.0, sent: bool = True) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout
        self.past_deadline = False
        self.head = NO_HEAD
        self.body: ResponseBody | None = None
        self.curl_code = 0
        self.curl_text = ""
        self.cut_by_limit = False
        self.head_lines = HeadLines(max_header_bytes)
        self.oversized_framing = False
        self.dial_refused = False
        self.sent = sent
        self.shortage: Shortage | None = None
        self.stall_seconds: float | None = None
        self.tunnel_failed = False
        self.proxy_status = 0
        self.refused = False
        self.unwritten = False

    @property
    def lines(self) -> list[bytes]:
        return self.head_lines.lines

    @property
    def headers_truncated(self) -> bool:
        """Whether headers are missing."""
        return self.head_lines.truncated or not self.head.is_complete

    @property
    def is_over_limit(self) -> bool:
        """Whether heads, or the trailers after a complete body, went beyond a limit."""
        if self.curl_code == pycurl.E_WRITE_ERROR:
            return self.head_lines.flooded
        too_long = self.curl_code == pycurl.E_RECV_ERROR and self.curl_text.startswith(_HEAD_LIMIT)
        return too_long or self.curl_code == E_TOO_LARGE

    @property
    def stopped_at_proxy(self) -> bool:
        """Whether the egress proxy failed by itself, as far as its answer shows."""
        return self.tunnel_failed and self.proxy_status not in _TARGET_STATUSES

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes outside and inside the body received so far. Safe to read from any thread."""
        body = self.body
        return self.head_lines.size_bytes, 0 if body is None else body.wire_bytes
