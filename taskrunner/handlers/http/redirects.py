"""Decides where a redirect leads, or why it is not followed. Pure.

The rules, on top of RFC 9110 section 15.4:

- 303 turns every method but GET and HEAD into GET, and 301 and 302 turn POST into GET, without the body.
  307 and 308 keep method and body, as do 301 and 302 for the other methods.
- Only GET and HEAD are followed to another origin (scheme, host and port). Any other method ends with
  `http_error` there: its body is meant for the receiver that the task names.
- No header of the task, and none that identifies the task, goes to another origin or back from there.
- Nor does the task's TLS profile: another origin gets a profile only by its host.
- https never leads to http, and no redirect leads to a URL that intake would refuse. Both are `blocked`. A
  Location that is no URL at all ends with `http_error`, and the error says that it is malformed.
"""

from dataclasses import replace

from taskrunner.domain import task_fields
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.tls_profile import profile_for
from taskrunner.domain.url import Url
from taskrunner.handlers.http.diagnosis import BLOCKED, FetchFailure
from taskrunner.handlers.http.http_request import HttpRequest, line_name
from taskrunner.handlers.http.location import LocationMalformed, resolve
from taskrunner.handlers.http.response_head import ResponseHead

_SAFE = frozenset({"GET", "HEAD"})


def next_request(request: HttpRequest, head: ResponseHead, limits: TaskLimits) -> HttpRequest | FetchFailure:
    """The next request, after `request` was answered with the redirect `head`."""
    location = head.value("location") or ""
    try:
        url = task_fields.check_url(resolve(request.url, location), limits)
    except LocationMalformed as exc:
        return FetchFailure(
            kind=OutcomeKind.HTTP_ERROR,
            error=f"The target answered {head.status} with a malformed Location: {exc}.",
        )
    except ValueError:
        return BLOCKED
    if request.url.scheme == "https" and url.scheme == "http":
        return FetchFailure(kind=OutcomeKind.BLOCKED, error="The target redirects from https to http.")
    method = _method(request.method, head.status)
    if url.origin == request.url.origin:
        return _on_same_origin(request, method, url)
    if request.method not in _SAFE:
        return FetchFailure(
            kind=OutcomeKind.HTTP_ERROR,
            error=f"The target answered {head.status} with a Location on another origin; "
            f"taskrunner does not follow it for {request.method}.",
        )
    tls = profile_for(url, limits.tls_profiles)
    return replace(request, method=method, url=url, header_lines=request.cross_origin_lines, tls=tls)


def _on_same_origin(request: HttpRequest, method: str, url: Url) -> HttpRequest:
    if method == request.method:
        return replace(request, url=url)
    send_once = request.send_once and method not in task_fields.IDEMPOTENT_METHODS
    # The signature of a callback covers the body, which is not sent.
    lines = [
        line for line in request.header_lines if not line_name(line).startswith(("content-", "webhook-"))
    ]
    return replace(request, method=method, url=url, header_lines=lines, content=None, send_once=send_once)


def _method(method: str, status: int) -> str:
    if status == 303 and method not in _SAFE:
        return "GET"
    return "GET" if status in {301, 302} and method == "POST" else method
