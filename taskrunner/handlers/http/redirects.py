"""Decides where a redirect leads, or why it is not followed. Pure.

The rules, on top of RFC 9110 section 15.4. The task's `redirects` picks among them:

- 307 and 308 keep method and body, as do 301 and 302 for every method but POST.
- 303 turns every method but GET and HEAD into a bare GET: without the body, and without the headers that
  describe it, sign it or make it unique.
- 301 and 302 of a POST are not followed, since clients disagree on the method; `rewrite` makes them a bare
  GET.
- Only a GET or HEAD without a body goes to another origin (scheme, host and port): a body is meant for the
  receiver that the task names.
- No header of the task, and none that identifies the task, goes to another origin or back from there.
- Nor does the task's TLS profile: another origin gets a profile only by its host.
- https never leads to http, and no redirect leads to a URL that intake would refuse. Both are `blocked`. A
  Location that is no URL at all ends with `http_error`, and the error says that it is malformed.

A redirect that is not followed is the answer, which the task's rules judge like any other.
"""

from dataclasses import replace

from taskrunner.domain.targets.tls_profile import profile_for
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Redirects
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.http.diagnosis import BLOCKED, FetchFailure
from taskrunner.handlers.http.http_request import HttpRequest, line_name
from taskrunner.handlers.http.location import LocationMalformed, resolve
from taskrunner.handlers.http.response_head import ResponseHead

_SAFE = frozenset({"GET", "HEAD"})
# By status: the values of `redirects` that make a bare GET of another method.
_REWRITING = {
    301: frozenset({Redirects.REWRITE}),
    302: frozenset({Redirects.REWRITE}),
    303: frozenset({Redirects.FOLLOW, Redirects.REWRITE}),
}
# RFC 9110 15.4, on changing the method: these belong to content that is not sent, as does the signature of a
# callback. An idempotency key would make a server repeat its answer to the first request.
_OF_CONTENT = ("content-", "webhook-", "digest", "repr-digest", "last-modified", "idempotency-key")


def next_request(request: HttpRequest, head: ResponseHead, limits: TaskLimits) -> HttpRequest | FetchFailure:
    """The next request, after `request` was answered with the redirect `head`; or why there is none."""
    if request.redirects is Redirects.NONE:
        return _not_followed(head, "the task or the settings say so")
    becomes_get = _becomes_get(request.method, head.status)
    if becomes_get and request.redirects not in _REWRITING[head.status]:
        return _not_followed(head, f"the GET would not carry the body of the {request.method}")
    if request.redirects_left == 0:
        return FetchFailure(kind=OutcomeKind.TOO_MANY_REDIRECTS, error="The target redirects too many times.")
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
    following = _bare_get(request) if becomes_get else request
    following = replace(following, url=url, redirects_left=request.redirects_left - 1)
    if url.origin == request.url.origin:
        return following
    if following.method not in _SAFE or following.content:
        return _not_followed(head, f"it is on another origin, and the {request.method} is not meant for that")
    return replace(
        following,
        header_lines=request.cross_origin_lines,
        tls=profile_for(url, limits.tls_profiles),
    )


def is_followed(request: HttpRequest, head: ResponseHead, limits: TaskLimits) -> bool:
    """Whether the answer `head` to `request` is a redirect to follow, so that its body is not needed."""
    return head.redirects and isinstance(next_request(request, head, limits), HttpRequest)


def _becomes_get(method: str, status: int) -> bool:
    return method not in _SAFE if status == 303 else status in {301, 302} and method == "POST"


def _not_followed(head: ResponseHead, reason: str) -> FetchFailure:
    return FetchFailure(
        kind=OutcomeKind.HTTP_ERROR,
        error=f"The target answered {head.status} with a Location, which was not followed: {reason}.",
    )


def _bare_get(request: HttpRequest) -> HttpRequest:
    lines = [line for line in request.header_lines if not line_name(line).startswith(_OF_CONTENT)]
    return replace(request, method="GET", header_lines=lines, content=None, send_once=False)
