"""Where a redirect leads, or why it is not followed: a pure decision.

The rules, on top of RFC 9110 section 15.4:

- 303 turns every method but GET and HEAD into GET, and 301 and 302 turn POST into GET, without the body.
  307 and 308 keep method and body, as do 301 and 302 for the other methods.
- Only GET and HEAD leave their origin (scheme, host and port). Any other task ends with `http_error` at a
  redirect to another origin: its body is for the receiver that it names.
- No header of the task goes to another origin, nor back: only what names us and the attempt.
- https never leads to http, and no target may hold a user name. Both are `blocked`.
"""

from dataclasses import replace
from urllib.parse import quote, urljoin, urlsplit

from taskrunner.domain import admission
from taskrunner.domain.limits import Limits
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.handlers.http.failure import Failure
from taskrunner.handlers.http.head import Head
from taskrunner.handlers.http.request import Request, line_name

_SAFE = frozenset({"GET", "HEAD"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Every printable ASCII character stays as it is: what is percent-encoded already must not be again.
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


def next_request(request: Request, head: Head, limits: Limits) -> Request | Failure:
    """The request that follows `request`, which was answered by the redirect `head`."""
    location = head.value("location") or ""
    try:
        url = _target(request.url, location)
        if refusal := _refusal(request.url, url):
            return Failure(kind=OutcomeKind.BLOCKED, error=refusal)
        admission.check_url(url, limits)
    except ValueError:
        return Failure(
            kind=OutcomeKind.HTTP_ERROR,
            error=f"The target answered {head.status} with a Location that is no URL.",
        )
    method = _method(request.method, head.status)
    if _origin(url) == _origin(request.url):
        return _on_same_origin(request, method, url)
    if request.method not in _SAFE:
        return Failure(
            kind=OutcomeKind.HTTP_ERROR,
            error=f"The target answered {head.status} with a Location on another origin; "
            f"taskrunner does not follow it for {request.method}.",
        )
    return replace(request, method=method, url=url, lines=request.identity)


def _on_same_origin(request: Request, method: str, url: str) -> Request:
    if method == request.method:
        return replace(request, url=url)
    lines = [line for line in request.lines if not line_name(line).startswith("content-")]
    return replace(request, method=method, url=url, lines=lines, content=None)


def _target(base: str, location: str) -> str:
    """`location` made absolute, without its fragment; bytes outside ASCII and spaces are percent-encoded."""
    encoded = quote(location.encode("latin-1"), safe=_PRINTABLE)
    return urljoin(base, encoded).partition("#")[0]


def _refusal(base: str, url: str) -> str | None:
    target = urlsplit(url)
    if target.scheme not in _DEFAULT_PORTS:
        return "The target redirects to something other than http or https."
    if urlsplit(base).scheme == "https" and target.scheme == "http":
        return "The target redirects from https to http."
    if "@" in target.netloc:
        return "The target redirects to a URL with a user name in it."
    return None


def _method(method: str, status: int) -> str:
    if status == 303 and method not in _SAFE:
        return "GET"
    return "GET" if status in {301, 302} and method == "POST" else method


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
