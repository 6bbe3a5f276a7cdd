"""The headers of every answer, errors included: request id, limits, what browsers may do with it, and CORS.

`complete_headers` adds them. The server calls it at the end of each request; a stream does before it begins.
"""

from collections.abc import Mapping
from typing import Protocol, cast

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.auth.rate_limits import tell_allowance
from taskrunner.api.http.client_address import is_https
from taskrunner.api.http.request_ids import REQUEST_ID, request_id_of
from taskrunner.api.http.settings import ServerSettings

# OWASP REST Security Cheat Sheet; https://www.w3.org/TR/CSP3/, Fetch and HTML for the Cross-Origin headers.
# Pages have policies of their own.
SECURITY: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ALL = CIMultiDict(SECURITY)
_POLICY = "Content-Security-Policy"
# RFC 6797 section 7.2: never over plain HTTP. A year, without the other names below this one.
_ONLY_TLS = "max-age=31536000"

# https://fetch.spec.whatwg.org/#http-cors-protocol. `*` would not cover `Authorization`.
_TAKEN = (
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Prefer, X-Request-Id, X-Requested-With, traceparent, tracestate"
)
_SHOWN = (
    "Content-Disposition, Deduplicated, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, "
    "RateLimit, RateLimit-Policy, Retry-After, Taskrunner-Body-Size, Taskrunner-Body-Truncated, "
    "WWW-Authenticate, X-Request-Id"
)
# Seconds that a browser need not ask again; none keeps it for longer than Chromium.
_MAX_AGE = "7200"
_PREFLIGHT = "Access-Control-Request-Method"


class AnswerHeaders:
    """The pages of `options.cors` may use the API from a browser, with a key: cookies are never allowed."""

    def __init__(self, options: ServerSettings) -> None:
        self._origins = frozenset(options.cors)
        self._may_be_https = options.certificate is not None or bool(options.trusted_proxies)

    def add(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        headers = response.headers
        headers[REQUEST_ID] = request_id_of(request)
        tell_allowance(request, response)
        if _POLICY in headers:
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
        else:
            # Most answers have none of them; this is a third of the time.
            headers.update(_ALL)
        if self._may_be_https and is_https(request):
            headers["Strict-Transport-Security"] = _ONLY_TLS
        if self._origins:
            self._add_cors(request, response)

    def _add_cors(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        headers = response.headers
        # Also without an origin: a cache must not keep this answer for one.
        headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin not in self._origins:
            return
        headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and _PREFLIGHT in request.headers:
            headers.add("Vary", f"{_PREFLIGHT}, Access-Control-Request-Headers")
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = _TAKEN
            headers["Access-Control-Max-Age"] = _MAX_AGE
        else:
            headers["Access-Control-Expose-Headers"] = _SHOWN


class HasAnswerHeaders(Protocol):
    """A connection, which knows the headers of its answers."""

    answer_headers: AnswerHeaders


def complete_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add what is not there yet, unless the answer is on its way."""
    if not response.prepared:
        cast(HasAnswerHeaders, request.protocol).answer_headers.add(request, response)
