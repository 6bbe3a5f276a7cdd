"""The diagnosis: what an exchange that went wrong means, as a kind of outcome and a sentence for people.

The sentences are ours alone. libcurl's texts can quote the peer (the banner of an SSH or Redis server, say),
and whoever may submit a URL must not be able to read such things off an error.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import pycurl

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.handlers.http.body import Trouble
from taskrunner.handlers.http.failure import BLOCKED, UNRESOLVED, Failure
from taskrunner.handlers.http.hop import (
    E_TOO_LARGE,
    MAX_HEAD_LINES,
    MAX_INTERIM,
    MAX_LINE_BYTES,
    MAX_LINES,
    Hop,
)
from taskrunner.handlers.http.policy import FetchPolicy

# A certificate seldom heals between two attempts, but a half-deployed fleet has good and bad ones.
_TLS_ATTEMPTS = 2
# A code that pycurl does not name.
_E_HTTP2_STREAM = 92


def _connect(error: str) -> Failure:
    return Failure(kind=OutcomeKind.CONNECT_ERROR, error=error)


def _tls(error: str) -> Failure:
    return Failure(kind=OutcomeKind.TLS_ERROR, error=error)


def _framing(error: str) -> Failure:
    """The answer was damaged on its way, which another attempt may mend."""
    return Failure(kind=OutcomeKind.PROTOCOL_ERROR, error=error)


def _no_http(error: str) -> Failure:
    """What answers there does not speak HTTP as we know it, and will not at the next attempt."""
    return Failure(kind=OutcomeKind.PROTOCOL_ERROR, error=error, retryable=False)


_NOT_HTTP = _no_http("What answered is not valid HTTP.")
_BLOATED = _no_http("The framing of the answer's body is larger than allowed.")
_LOST = _connect("The connection was lost before the answer was complete.")
_BROKEN_HTTP2 = _framing("The HTTP/2 connection broke.")
_BAD_CERTIFICATE = _tls("The target's certificate is not trusted.")
_NO_HANDSHAKE = _tls("The TLS handshake failed.")
_REFUSED = _tls("The target does not accept the client certificate, or asks for one.")
_TOO_LARGE = Failure(kind=OutcomeKind.TOO_LARGE, error="The answer is larger than allowed.")
_BROKEN_CODING = Failure(
    kind=OutcomeKind.DECODE_ERROR,
    error="The body is damaged: it is not what its Content-Encoding says.",
)

# By libcurl's error code (https://curl.se/libcurl/c/libcurl-errors.html); a missing one is told by number.
FAILURES: dict[int, Failure] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: _NOT_HTTP,
    pycurl.E_URL_MALFORMAT: Failure(kind=OutcomeKind.BLOCKED, error="The URL cannot be used."),
    pycurl.E_COULDNT_RESOLVE_HOST: UNRESOLVED,
    pycurl.E_COULDNT_CONNECT: _connect("The connection could not be made."),
    pycurl.E_FTP_WEIRD_SERVER_REPLY: _NOT_HTTP,
    pycurl.E_HTTP2: _BROKEN_HTTP2,
    _E_HTTP2_STREAM: _BROKEN_HTTP2,
    pycurl.E_PARTIAL_FILE: _framing("The answer ended before its announced length."),
    pycurl.E_GOT_NOTHING: _connect("The connection was closed without an answer."),
    pycurl.E_SEND_ERROR: _LOST,
    # By `Engine`, which lets no request be sent a second time.
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
    hop: Hop, policy: FetchPolicy, *, attempt: int, elapsed: float, phase: Callable[[], str]
) -> Failure | None:
    """What went wrong in `hop`; None when there is a sound answer, whatever its status.

    `attempt` is its number, `elapsed` the seconds it took, and `phase` tells what it was doing when it ended,
    in words that follow "while".
    """
    if hop.refused:
        return BLOCKED
    if hop.stalled is not None and (hop.code or hop.head.ends_with_connection):
        error = f"Timed out: nothing came for {hop.stalled:.3g} s while {_phase(hop, phase)}."
        return Failure(kind=OutcomeKind.TIMEOUT, error=error)
    trouble = hop.body.trouble if hop.body is not None else None
    if trouble is Trouble.TOO_LARGE:
        return _TOO_LARGE
    if failure := _head_failure(hop, policy.max_header_bytes):
        return failure
    if trouble is Trouble.BROKEN_CODING and hop.code in {0, pycurl.E_WRITE_ERROR}:
        return _BROKEN_CODING
    if hop.code == 0:
        if hop.bloated:
            return _BLOATED
        return None if hop.head.status >= 200 else _NOT_HTTP
    if hop.code == pycurl.E_OPERATION_TIMEDOUT:
        error = f"Timed out after {elapsed:.3g} s while {_phase(hop, phase)}."
        return Failure(kind=OutcomeKind.TIMEOUT, error=error)
    if hop.untunnelled:
        return _proxy_failure(hop)
    return _curl_failure(hop, attempt)


def is_certificate_refused(hop: Hop) -> bool:
    """Whether the target ended the handshake over our certificate when we took it for done, as TLS 1.3 has it
    (RFC 8446 section 4.4.2.4): then it has not looked at the request, although that was sent.
    """
    is_late = hop.code in {pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR} and not hop.lines
    return is_late and _ALERT.search(hop.text) is not None


def _phase(hop: Hop, phase: Callable[[], str]) -> str:
    return "waiting for the egress proxy" if hop.untunnelled else phase()


def _head_failure(hop: Hop, max_bytes: int) -> Failure | None:
    size_bytes = sum(map(len, hop.lines))
    if size_bytes <= max_bytes and len(hop.lines) <= MAX_HEAD_LINES:
        return None
    if hop.head.interim > MAX_INTERIM:
        return _framing(f"The target sent more than {MAX_INTERIM} interim (1xx) answers.")
    if max(map(len, hop.lines)) > MAX_LINE_BYTES:
        return FAILURES[E_TOO_LARGE]
    if len(hop.head.headers) > MAX_HEAD_LINES or len(hop.lines) >= MAX_LINES:
        return _no_http(f"The answer has more than {MAX_HEAD_LINES} header lines.")
    if size_bytes > max_bytes:
        return Failure(
            kind=OutcomeKind.TOO_LARGE, error=f"The answer's headers are larger than {max_bytes} bytes."
        )
    return None


def _curl_failure(hop: Hop, attempt: int) -> Failure:
    if hop.code in {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION}:
        return _tls_failure(hop, attempt)
    if is_certificate_refused(hop):
        return replace(_REFUSED, retryable=attempt < _TLS_ATTEMPTS)
    if hop.code == pycurl.E_RECV_ERROR and _is_lost(hop.text):
        return _LOST
    return FAILURES.get(hop.code) or _framing(f"The exchange failed (libcurl error {hop.code}).")


def _proxy_failure(hop: Hop) -> Failure:
    status = hop.proxy_status
    if hop.code == pycurl.E_PEER_FAILED_VERIFICATION:
        return _connect("The egress proxy's certificate is not trusted.")
    if status == 407:
        return _connect("The egress proxy does not accept our credentials (407).")
    if status:
        return _connect(f"The egress proxy opened no way to the target; it answered {status}.")
    return _connect("The egress proxy cannot be reached, or broke off.")


def _tls_failure(hop: Hop, attempt: int) -> Failure:
    if hop.code == pycurl.E_SSL_CONNECT_ERROR and _is_lost(hop.text):
        return _tls("The connection was lost in the TLS handshake.")
    known = _REFUSED if _ALERT.search(hop.text) else FAILURES[hop.code]
    return Failure(
        kind=known.kind, error=_certificate_error(hop.text) or known.error, retryable=attempt < _TLS_ATTEMPTS
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
