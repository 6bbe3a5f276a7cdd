"""The diagnosis: what an exchange that went wrong means, as a kind of outcome and a sentence for people.

The sentences are ours alone. libcurl's texts can quote the peer (the banner of an SSH or Redis server, say),
and whoever may submit a URL must not be able to read such things off an error.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import pycurl

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.handlers.http.exchange import (
    E_TOO_LARGE,
    MAX_HEAD_LINES,
    MAX_INTERIM,
    MAX_LINE_BYTES,
    MAX_LINES,
    Exchange,
)
from taskrunner.handlers.http.fetch_failure import BLOCKED, UNRESOLVED, FetchFailure
from taskrunner.handlers.http.response_body import BodyError
from taskrunner.handlers.http.settings import FetchSettings

# A certificate seldom heals between two attempts, but a half-deployed fleet has good and bad ones.
_TLS_ATTEMPTS = 2
# A code that pycurl does not name.
_E_HTTP2_STREAM = 92


def _connect(error: str) -> FetchFailure:
    return FetchFailure(kind=OutcomeKind.CONNECT_ERROR, error=error)


def _tls(error: str) -> FetchFailure:
    return FetchFailure(kind=OutcomeKind.TLS_ERROR, error=error)


def _framing(error: str) -> FetchFailure:
    """The answer was damaged on its way, which another attempt may mend."""
    return FetchFailure(kind=OutcomeKind.PROTOCOL_ERROR, error=error)


def _no_http(error: str) -> FetchFailure:
    """What answers there does not speak HTTP as we know it, and will not at the next attempt."""
    return FetchFailure(kind=OutcomeKind.PROTOCOL_ERROR, error=error, retryable=False)


_NOT_HTTP = _no_http("What answered is not valid HTTP.")
_BLOATED = _no_http("The framing of the answer's body is larger than allowed.")
_LOST = _connect("The connection was lost before the answer was complete.")
_BROKEN_HTTP2 = _framing("The HTTP/2 connection broke.")
_BAD_CERTIFICATE = _tls("The target's certificate is not trusted.")
_NO_HANDSHAKE = _tls("The TLS handshake failed.")
_REFUSED = _tls("The target does not accept the client certificate, or asks for one.")
_TOO_LARGE = FetchFailure(kind=OutcomeKind.TOO_LARGE, error="The answer is larger than allowed.")
_BROKEN_CODING = FetchFailure(
    kind=OutcomeKind.DECODE_ERROR,
    error="The body is damaged: it is not what its Content-Encoding says.",
)

# By libcurl's error code (https://curl.se/libcurl/c/libcurl-errors.html); a missing one is told by number.
FAILURES: dict[int, FetchFailure] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: _NOT_HTTP,
    pycurl.E_URL_MALFORMAT: FetchFailure(kind=OutcomeKind.BLOCKED, error="The URL cannot be used."),
    pycurl.E_COULDNT_RESOLVE_HOST: UNRESOLVED,
    pycurl.E_COULDNT_CONNECT: _connect("The connection could not be made."),
    pycurl.E_FTP_WEIRD_SERVER_REPLY: _NOT_HTTP,
    pycurl.E_HTTP2: _BROKEN_HTTP2,
    _E_HTTP2_STREAM: _BROKEN_HTTP2,
    pycurl.E_PARTIAL_FILE: _framing("The answer ended before its announced length."),
    pycurl.E_GOT_NOTHING: _connect("The connection was closed without an answer."),
    pycurl.E_SEND_ERROR: _LOST,
    # By `FetchEngine`, which lets no request be sent a second time.
    pycurl.E_ABORTED_BY_CALLBACK: _LOST,
    pycurl.E_RECV_ERROR: _framing("The framing of the answer is broken."),
    pycurl.E_SSL_CONNECT_ERROR: _NO_HANDSHAKE,
    pycurl.E_SSL_CIPHER: _NO_HANDSHAKE,
    # Its files were good when we started.
    pycurl.E_SSL_CERTPROBLEM: _tls("The files of the TLS profile cannot be used."),
    pycurl.E_SSL_CACERT_BADFILE: _tls("The files of trusted certificates cannot be used."),
    pycurl.E_PEER_FAILED_VERIFICATION: _BAD_CERTIFICATE,
    pycurl.E_FILESIZE_EXCEEDED: _TOO_LARGE,
    E_TOO_LARGE: _no_http("A header line of the answer is larger than allowed."),
}

# OpenSSL's words for the alerts that speak of our certificate (RFC 8446 section 6.2).
_ALERT = re.compile(
    r"alert (?:certificate (?:required|unknown|expired|revoked)|bad certificate(?! status| hash)|unknown ca"
    r"|unsupported certificate|access denied)"
)

# OpenSSL's verify codes (`man x509_v3_verify`), which libcurl puts in parentheses behind the phrase.
_VERIFY_REASONS = {
    "9": "it is not yet valid",
    "10": "it has expired",
    "18": "it is self-signed",
    "19": "its issuer is not trusted",
    "20": "its issuer is not trusted",
    "21": "its issuer is not trusted",
    "62": "it is for another host name",
}


def diagnose(
    exchange: Exchange, policy: FetchSettings, *, attempt: int, elapsed: float, phase: Callable[[], str]
) -> FetchFailure | None:
    """What went wrong in `exchange`; None when there is a sound answer, whatever its status.

    `attempt` is its number, `elapsed` the seconds it took, and `phase` tells what it was doing when it ended,
    in words that follow "while".
    """
    if exchange.refused:
        return BLOCKED
    if exchange.stalled is not None and (exchange.code or exchange.head.ends_with_connection):
        error = f"Timed out: nothing came for {exchange.stalled:.3g} s while {_phase(exchange, phase)}."
        return FetchFailure(kind=OutcomeKind.TIMEOUT, error=error)
    trouble = exchange.body.trouble if exchange.body is not None else None
    if trouble is BodyError.TOO_LARGE:
        return _TOO_LARGE
    if failure := _head_failure(exchange, policy.max_header_bytes):
        return failure
    if trouble is BodyError.BROKEN_CODING and exchange.code in {0, pycurl.E_WRITE_ERROR}:
        return _BROKEN_CODING
    if exchange.code == 0:
        if exchange.bloated:
            return _BLOATED
        return None if exchange.head.status >= 200 else _NOT_HTTP
    if exchange.code == pycurl.E_OPERATION_TIMEDOUT:
        error = f"Timed out after {elapsed:.3g} s while {_phase(exchange, phase)}."
        return FetchFailure(kind=OutcomeKind.TIMEOUT, error=error)
    if exchange.untunnelled:
        return _proxy_failure(exchange)
    return _curl_failure(exchange, attempt)


def is_certificate_refused(exchange: Exchange) -> bool:
    """Whether the target ended the handshake over our certificate when we took it for done, as TLS 1.3 has it
    (RFC 8446 section 4.4.2.4): then it has not looked at the request, although that was sent.
    """
    is_late = exchange.code in {pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR} and not exchange.lines
    return is_late and _ALERT.search(exchange.text) is not None


def _phase(exchange: Exchange, phase: Callable[[], str]) -> str:
    return "waiting for the egress proxy" if exchange.untunnelled else phase()


def _head_failure(exchange: Exchange, max_bytes: int) -> FetchFailure | None:
    size_bytes = sum(map(len, exchange.lines))
    if size_bytes <= max_bytes and len(exchange.lines) <= MAX_HEAD_LINES:
        return None
    if exchange.head.interim > MAX_INTERIM:
        return _framing(f"The target sent more than {MAX_INTERIM} interim (1xx) answers.")
    if max(map(len, exchange.lines)) > MAX_LINE_BYTES:
        return FAILURES[E_TOO_LARGE]
    if len(exchange.head.headers) > MAX_HEAD_LINES or len(exchange.lines) >= MAX_LINES:
        return _no_http(f"The answer has more than {MAX_HEAD_LINES} header lines.")
    if size_bytes > max_bytes:
        return FetchFailure(
            kind=OutcomeKind.TOO_LARGE, error=f"The answer's headers are larger than {max_bytes} bytes."
        )
    return None


def _curl_failure(exchange: Exchange, attempt: int) -> FetchFailure:
    if exchange.code in {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION}:
        return _tls_failure(exchange, attempt)
    if is_certificate_refused(exchange):
        return replace(_REFUSED, retryable=attempt < _TLS_ATTEMPTS)
    if exchange.code == pycurl.E_RECV_ERROR and _is_lost(exchange.text):
        return _LOST
    return FAILURES.get(exchange.code) or _framing(f"The exchange failed (libcurl error {exchange.code}).")


def _proxy_failure(exchange: Exchange) -> FetchFailure:
    status = exchange.proxy_status
    if exchange.code == pycurl.E_PEER_FAILED_VERIFICATION:
        return _connect("The egress proxy's certificate is not trusted.")
    if status == 407:
        return _connect("The egress proxy does not accept our credentials (407).")
    if status:
        return _connect(f"The egress proxy opened no way to the target; it answered {status}.")
    return _connect("The egress proxy cannot be reached, or broke off.")


def _tls_failure(exchange: Exchange, attempt: int) -> FetchFailure:
    if exchange.code == pycurl.E_SSL_CONNECT_ERROR and _is_lost(exchange.text):
        return _tls("The connection was lost in the TLS handshake.")
    known = _REFUSED if _ALERT.search(exchange.text) else FAILURES[exchange.code]
    return FetchFailure(
        kind=known.kind,
        error=_certificate_error(exchange.text) or known.error,
        retryable=attempt < _TLS_ATTEMPTS,
    )


def _certificate_error(text: str) -> str | None:
    code = re.search(r"\((\d+)\)\s*$", text)
    reason = _VERIFY_REASONS.get(code[1]) if code else None
    if reason is None and "subject name" in text:
        reason = _VERIFY_REASONS["62"]
    return f"The target's certificate is not trusted: {reason}." if reason else None


def _is_lost(text: str) -> bool:
    """Whether libcurl's words tell of a connection that went away, rather than of what came over it."""
    lowered = text.lower()
    return any(sign in lowered for sign in ("recv failure", "ssl_read", "syscall", "unexpected eof", "reset"))
