"""Diagnoses an exchange that failed: the kind of outcome, and a sentence for people.

The sentences are ours alone. libcurl's texts can quote the peer (the banner of an SSH or Redis server, say),
which an error must not show to whoever submitted the URL.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pycurl

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http import http2_faults
from taskrunner.handlers.http.exchange import E_TOO_LARGE, Exchange
from taskrunner.handlers.http.response_body import BodyError

# A certificate is seldom repaired between two attempts, but a half-deployed fleet has good and bad ones.
_TLS_ATTEMPTS = 2
# CURLE_SSL_CLIENTCERT, which pycurl does not name.
_E_SSL_CLIENTCERT = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """How an attempt ended without a usable answer.

    `error` is our own sentence and never holds a byte of the peer. `retryable` as in `Outcome`.
    """

    kind: OutcomeKind
    error: str
    retryable: bool | None = None


# One sentence for every reason, so that whoever submits a URL learns nothing of what is behind it.
BLOCKED = FetchFailure(kind=OutcomeKind.BLOCKED, error="taskrunner does not fetch from this target.")
UNRESOLVED = FetchFailure(kind=OutcomeKind.DNS_ERROR, error="The host name could not be resolved.")


def _connect_error(error: str) -> FetchFailure:
    return FetchFailure(kind=OutcomeKind.CONNECT_ERROR, error=error)


def _tls_error(error: str) -> FetchFailure:
    return FetchFailure(kind=OutcomeKind.TLS_ERROR, error=error)


def _protocol_error(error: str) -> FetchFailure:
    """The answer was damaged on its way, so another attempt may succeed."""
    return FetchFailure(kind=OutcomeKind.PROTOCOL_ERROR, error=error)


def _final_protocol_error(error: str) -> FetchFailure:
    """The server does not speak HTTP as we know it, and will not at the next attempt either."""
    return FetchFailure(kind=OutcomeKind.PROTOCOL_ERROR, error=error, retryable=False)


_NOT_HTTP = _final_protocol_error("The answer is not valid HTTP.")
_HEAD_CUT = _protocol_error("The answer ended in the middle of its head.")
_INTERIM_FLOOD = _protocol_error("The target sent too many interim (1xx) answers, and no final one.")
_OVERSIZED_FRAMING = _final_protocol_error("The framing of the answer's body is larger than allowed.")
_CONNECTION_LOST = _connect_error("The connection was lost before the answer was complete.")
_NEVER_TAKEN = _connect_error(
    "The target refused the request, or closed the connection, each time it was sent."
)
_UNWRITTEN = _connect_error(
    "The target closed the connection before any of the request was sent. If it uses TLS, it may require a"
    " client certificate (Fetch.tls), or not accept ours."
)
_HTTP2_BROKEN = _protocol_error("The HTTP/2 connection broke.")
_REFUSED = _connect_error("The target refused the request over HTTP/2 before it processed any of it.")
_CERTIFICATE_NOT_TRUSTED = _tls_error("The target's certificate is not trusted.")
_HANDSHAKE_FAILED = _tls_error("The TLS handshake failed.")
_CERTIFICATE_REFUSED = _tls_error(
    "The target requires a client certificate (Fetch.tls), or does not accept ours."
)
_TOO_LARGE = FetchFailure(kind=OutcomeKind.TOO_LARGE, error="The answer is larger than allowed.")

# By libcurl's error code (https://curl.se/libcurl/c/libcurl-errors.html). Other codes are reported by number.
FAILURES: dict[int, FetchFailure] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: _NOT_HTTP,
    pycurl.E_URL_MALFORMAT: FetchFailure(kind=OutcomeKind.BLOCKED, error="The URL cannot be used."),
    pycurl.E_COULDNT_RESOLVE_HOST: UNRESOLVED,
    pycurl.E_COULDNT_CONNECT: _connect_error("Could not connect to the target."),
    pycurl.E_FTP_WEIRD_SERVER_REPLY: _NOT_HTTP,
    pycurl.E_PARTIAL_FILE: _protocol_error("The answer ended before its announced length."),
    pycurl.E_GOT_NOTHING: _connect_error("The connection was closed without an answer."),
    pycurl.E_SEND_ERROR: _CONNECTION_LOST,
    # `FetchEngine` aborts a request that libcurl would send a second time.
    pycurl.E_ABORTED_BY_CALLBACK: _CONNECTION_LOST,
    pycurl.E_RECV_ERROR: _protocol_error("The framing of the answer is broken."),
    pycurl.E_SSL_CONNECT_ERROR: _HANDSHAKE_FAILED,
    pycurl.E_SSL_CIPHER: _HANDSHAKE_FAILED,
    _E_SSL_CLIENTCERT: _CERTIFICATE_REFUSED,
    pycurl.E_PEER_FAILED_VERIFICATION: _CERTIFICATE_NOT_TRUSTED,
    pycurl.E_FILESIZE_EXCEEDED: _TOO_LARGE,
    E_TOO_LARGE: _final_protocol_error("A line of the answer's head is larger than allowed."),
}

# libcurl's codes for a line that it does not accept, and its words for the reason. They quote no header.
_MALFORMED_LINE = frozenset(
    {pycurl.E_FTP_WEIRD_SERVER_REPLY, pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_BAD_CONTENT_ENCODING}
)
_LINE_FAULTS = {
    "without colon": "it has no colon",
    "NUL byte": "it holds a NUL byte",
    "Carriage return": "it holds a carriage return",
    "Content-Length": "it is a Content-Length that is not a number, or not the one before it",
    "Transfer-Encoding": "it names a Transfer-Encoding that we did not offer",
}

# OpenSSL's words for the alerts about our certificate (RFC 8446 section 6.2).
_ALERT = re.compile(
    r"alert (?:certificate (?:required|unknown|expired|revoked)|bad certificate(?! status| hash)|unknown ca"
    r"|unsupported certificate|access denied)"
)

# By OpenSSL's verify code (`man x509_v3_verify`), which libcurl writes in parentheses after the message.
_OWN_AUTHORITY = "a profile in Fetch.tls with a ca_file trusts an authority of your own"
_VERIFY_REASONS = {
    "9": "it is not yet valid",
    "10": "it has expired",
    "18": f"it is self-signed; {_OWN_AUTHORITY}",
    "19": f"its issuer is not trusted; {_OWN_AUTHORITY}",
    "20": "its issuer is not trusted: the target sends an incomplete chain, without the intermediate"
    f" certificate, or its authority is unknown here; {_OWN_AUTHORITY}",
    "21": "its issuer is not trusted: the target sends an incomplete chain, its own certificate alone",
    "23": "it was revoked",
    "24": "its issuer is not a certificate authority",
    "26": "it is not for servers",
    "62": "it is for another host name",
    "66": "its key is too short",
    "67": "the key of its authority is too short",
    "68": "its authority signs with a hash that is no longer safe",
}
# By OpenSSL's words (ssl/ssl_err.c, and the alerts of RFC 8446 section 6.2) in libcurl's message.
_HANDSHAKE_REASONS = (
    (
        re.compile(r"alert protocol version|unsupported protocol|no protocols available"),
        "The target and taskrunner have no TLS version in common; taskrunner speaks 1.2 and 1.3.",
    ),
    (
        re.compile(r"wrong version number|packet length too long|http request|unknown protocol|record layer"),
        "The target does not speak TLS on this port; use its port for https, or http:// in the URL.",
    ),
    (
        re.compile(
            r"alert handshake failure|no shared cipher|insufficient security|wrong cipher|wrong curve"
        ),
        "The target accepts none of our TLS ciphers, or requires a client certificate (Fetch.tls).",
    ),
    (
        re.compile(r"unrecognized name"),
        "The target does not know the host name of the URL (TLS alert unrecognized_name).",
    ),
    (
        re.compile(r"no application protocol"),
        "The target accepts none of the HTTP versions that we offer; Fetch.http1_hosts lists hosts to offer"
        " only HTTP/1.1.",
    ),
    (
        re.compile(r"key too small|modulus too small|bad dh value"),
        "The target's key is too short for TLS as we accept it.",
    ),
    (re.compile(r"md too weak|digest"), "The target's certificate is signed with a hash that is not safe."),
    (re.compile(r"legacy renegotiation|unsafe legacy"), "The target needs the unsafe renegotiation of TLS."),
    (re.compile(r"alert internal error"), "The target failed in the TLS handshake (alert internal_error)."),
    (
        re.compile(r"alert (?:decode error|illegal parameter|unexpected message|missing extension)"),
        "The target refused our TLS handshake as wrong; another machine may be in between.",
    ),
)


def diagnose(
    exchange: Exchange, *, attempt: int, elapsed: float, phase: Callable[[], str]
) -> FetchFailure | None:
    """Why `exchange` failed; None for a sound answer, whatever its status.

    `attempt` is the number of the attempt, `elapsed` the seconds that it took, and `phase` says what the
    exchange was doing when it ended, in words that follow "while".
    """
    if exchange.dial_refused:
        return BLOCKED
    if exchange.stall_seconds is not None and (exchange.curl_code or exchange.head.ends_with_connection):
        error = (
            f"Timed out: received nothing for {exchange.stall_seconds:.3g} s while {_phase(exchange, phase)}."
        )
        return FetchFailure(kind=OutcomeKind.TIMEOUT, error=error)
    body_error = exchange.body.error if exchange.body is not None else None
    if body_error is BodyError.TOO_LARGE:
        return _TOO_LARGE
    if exchange.curl_code == 0:
        if exchange.oversized_framing:
            return _OVERSIZED_FRAMING
        if exchange.head.status < 200:
            return _NOT_HTTP
        return None if exchange.head.is_complete or exchange.cut_by_limit else _HEAD_CUT
    if exchange.curl_code == pycurl.E_OPERATION_TIMEDOUT:
        error = f"Timed out after {elapsed:.3g} s while {_phase(exchange, phase)}."
        return FetchFailure(kind=OutcomeKind.TIMEOUT, error=error)
    if exchange.tunnel_failed:
        return _proxy_failure(exchange)
    if exchange.refused:
        return replace(_REFUSED, error=f"{_REFUSED.error}{http2_faults.refusal(exchange)}")
    return _curl_failure(exchange, attempt)


def is_certificate_refused(exchange: Exchange) -> bool:
    """Whether the target refused our certificate after we had completed the handshake.

    TLS 1.3 allows that (RFC 8446 section 4.4.2.4). The target has not looked at the request, although it was
    sent.
    """
    if exchange.lines:
        return False
    if exchange.curl_code == _E_SSL_CLIENTCERT:
        return True
    is_late = exchange.curl_code in {pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR}
    return is_late and _ALERT.search(exchange.curl_text) is not None


def _phase(exchange: Exchange, phase: Callable[[], str]) -> str:
    if exchange.tunnel_failed:
        return "waiting for the egress proxy"
    return "reading the answer" if exchange.lines else phase()


def _curl_failure(exchange: Exchange, attempt: int) -> FetchFailure:
    if exchange.curl_code in {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION}:
        return _tls_failure(exchange, attempt)
    if exchange.is_over_limit and 100 <= exchange.head.status < 200:
        return _INTERIM_FLOOD
    if exchange.curl_code in _MALFORMED_LINE and exchange.lines:
        return _malformed_line(exchange)
    if is_certificate_refused(exchange):
        return replace(_CERTIFICATE_REFUSED, retryable=attempt < _TLS_ATTEMPTS)
    if exchange.unwritten:
        return _UNWRITTEN
    # libcurl repeats a request that was refused (RFC 9113 8.7); this is what it says when it gives up.
    if exchange.curl_text.startswith("Connection died, tried"):
        return _NEVER_TAKEN
    if exchange.curl_code == pycurl.E_RECV_ERROR and _is_connection_lost(exchange.curl_text):
        return _CONNECTION_LOST
    if error := http2_faults.sentence(exchange):
        return replace(FAILURES.get(exchange.curl_code, _HTTP2_BROKEN), error=error)
    return FAILURES.get(exchange.curl_code) or _protocol_error(
        f"The exchange failed (libcurl error {exchange.curl_code})."
    )


def _malformed_line(exchange: Exchange) -> FetchFailure:
    """Names the line by its number: our sentences hold no byte of the peer.

    libcurl passes each line on once it has accepted it, so the malformed one is next.
    """
    head = exchange.head
    fault = next(
        (said for sign, said in _LINE_FAULTS.items() if sign in exchange.curl_text), "it is not HTTP"
    )
    if exchange.head_lines.truncated:
        place = "A line of the answer's head"
    elif head.is_complete and head.status >= 200:
        place = "A trailer of the answer"
    elif head.is_complete:
        place = "Line 1 of the answer after an interim one"
    else:
        place = f"Line {head.size_lines + 1} of the answer's head"
    return _final_protocol_error(f"{place} is malformed: {fault}.")


def _proxy_failure(exchange: Exchange) -> FetchFailure:
    status = exchange.proxy_status
    if exchange.curl_code == pycurl.E_PEER_FAILED_VERIFICATION:
        return _connect_error("The egress proxy's certificate is not trusted.")
    if status == 407:
        return _connect_error("The egress proxy does not accept our credentials (407).")
    if status:
        return _connect_error(f"The egress proxy opened no tunnel to the target; it answered {status}.")
    return _connect_error("The egress proxy cannot be reached, or closed the connection.")


def _tls_failure(exchange: Exchange, attempt: int) -> FetchFailure:
    if exchange.curl_code == pycurl.E_SSL_CONNECT_ERROR and _is_connection_lost(exchange.curl_text):
        return _tls_error("The connection was lost in the TLS handshake.")
    known = _CERTIFICATE_REFUSED if _ALERT.search(exchange.curl_text) else FAILURES[exchange.curl_code]
    if known is _HANDSHAKE_FAILED:
        known = _tls_error(_handshake_error(exchange.curl_text) or known.error)
    return FetchFailure(
        kind=known.kind,
        error=_certificate_error(exchange.curl_text) or known.error,
        retryable=attempt < _TLS_ATTEMPTS,
    )


def _handshake_error(text: str) -> str | None:
    return next((error for pattern, error in _HANDSHAKE_REASONS if pattern.search(text)), None)


def _certificate_error(text: str) -> str | None:
    code = re.search(r"\((\d+)\)\s*$", text)
    reason = _VERIFY_REASONS.get(code[1]) if code else None
    if reason is None and "subject name" in text:
        reason = _VERIFY_REASONS["62"]
    return f"The target's certificate is not trusted: {reason}." if reason else None


def _is_connection_lost(text: str) -> bool:
    """Whether libcurl's message is about a lost connection, rather than about data received over one."""
    lowered = text.lower()
    signs = ("recv failure", "send failure", "ssl_read", "syscall", "unexpected eof", "reset")
    return any(sign in lowered for sign in signs)
