"""Reads the fault of an exchange over HTTP/2 from libcurl's message (RFC 9113 section 7)."""

import re

import pycurl

from taskrunner.handlers.http.exchange import Exchange

# CURLE_HTTP2_STREAM, which pycurl does not name.
E_HTTP2_STREAM = 92
_SWITCH = "Fetch.http1_hosts lists hosts to ask by HTTP/1.1."
_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
# At the start of the message: other messages quote the peer further on.
_RESET = re.compile(r"HTTP/2 stream \d+ reset by (server|curl) \(error 0x([0-9a-f]{1,8})\b")
_SHUT_DOWN = re.compile(r"nghttp2 shuts down connection with error (\d{1,9})")
# RFC 9113 8.7 and 9.1.1: the target has processed nothing of the request.
_UNPROCESSED = frozenset({"REFUSED_STREAM", "HTTP_1_1_REQUIRED"})
# About one request, and no sign that the host cannot speak HTTP/2.
_ONE_REQUEST = frozenset(
    {"NO_ERROR", "INTERNAL_ERROR", "REFUSED_STREAM", "CANCEL", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"}
)


def is_unprocessed(exchange: Exchange, *, encrypted: bool) -> bool:
    """Whether the target certainly processed nothing of a request that was sent.

    By RFC 9113 6.8 and 8.7 that is so after REFUSED_STREAM, and after a GOAWAY of any code whose last stream
    is lower than ours; a GOAWAY that names our stream, or a higher one, says nothing. libcurl repeats the
    request after some of these as long as its connection is new (`FetchEngine` stops the repetition), and
    after others it says that it has reset the stream itself. It never says so about its own reasons to give
    up a stream, for which it has other messages, unless the answer has begun.
    """
    if exchange.lines:
        return False
    if exchange.curl_code == pycurl.E_ABORTED_BY_CALLBACK:
        return encrypted
    by, name = _reset(exchange)
    return by == "curl" or name in _UNPROCESSED


def is_broken(exchange: Exchange) -> bool:
    """Whether the host does not speak HTTP/2 well, so that HTTP/1.1 should be tried."""
    if exchange.curl_code == pycurl.E_HTTP2 or "received invalid frame" in exchange.curl_text:
        return True
    by, name = _reset(exchange)
    return by == "server" and name not in _ONE_REQUEST


def sentence(exchange: Exchange) -> str | None:
    """The fault as a sentence; None if it was not one of HTTP/2."""
    text = exchange.curl_text
    by, name = _reset(exchange)
    if by == "server":
        return f"The target reset the HTTP/2 stream with {name}. {_SWITCH}"
    if by == "curl":
        return f"The target closed the HTTP/2 connection with {name}. {_SWITCH}"
    if "received invalid frame" in text:
        return f"The target sent an invalid HTTP/2 frame. {_SWITCH}"
    if match := _SHUT_DOWN.search(text):
        return f"The target broke a rule of HTTP/2: {_name(int(match[1]))}. {_SWITCH}"
    if "expected SETTINGS" in text:
        return f"The target agreed on HTTP/2 and does not speak it. {_SWITCH}"
    if "closed cleanly" in text:
        return f"The target closed the HTTP/2 stream without a complete answer. {_SWITCH}"
    if exchange.curl_code in {pycurl.E_HTTP2, E_HTTP2_STREAM}:
        return f"The HTTP/2 connection broke. {_SWITCH}"
    return None


def refusal(exchange: Exchange) -> str:
    """What libcurl tells about a request that was not processed, as another sentence; often nothing."""
    by, name = _reset(exchange)
    return f" It closed the connection with {name}." if by == "curl" else ""


def _reset(exchange: Exchange) -> tuple[str, str]:
    """Who reset the stream, and the name of the error code; empty for none."""
    match = _RESET.match(exchange.curl_text)
    return (match[1], _name(int(match[2], 16))) if match else ("", "")


def _name(code: int) -> str:
    return _NAMES[code] if code < len(_NAMES) else "an unknown error code"
