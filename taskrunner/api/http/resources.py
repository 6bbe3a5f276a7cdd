"""Resources: which methods a path has, and which path was meant."""

from collections.abc import Iterable

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.http.client_address import root_of
from taskrunner.api.http.problems import Problem, http_problem
from taskrunner.api.http.responses import SERVER

# RFC 9110 9.3, RFC 5789, and QUERY of draft-ietf-httpbis-safe-method-w-body; the last three are for no
# resource of ours. A method beyond these is not implemented (RFC 9110 15.6.2).
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")


def allow_of(exc: web.HTTPMethodNotAllowed, request: web.BaseRequest) -> str:
    """The methods of the resource itself: `/tasks/cancel` is not a task with the id `cancel`."""
    return _listed(_own_methods(request) or exc.allowed_methods)


def problem_of_router(exc: web.HTTPException, request: web.BaseRequest) -> Problem:
    """The problem for an error of aiohttp's."""
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = allow_of(exc, request)
        detail = f"{request.method} is not for {request.path}; allowed: {allowed}"
        return http_problem(405, detail, {"Allow": allowed})
    if exc.status == 404:
        return http_problem(404, f"there is nothing at {request.path}; GET / lists what there is")
    return http_problem(exc.status, exc.reason)


def options_response(exc: web.HTTPException, request: web.BaseRequest) -> web.Response | None:
    """The answer to OPTIONS (RFC 9110 9.3.7) that the router refused; None for another request."""
    if request.method != "OPTIONS":
        return None
    if isinstance(exc, web.HTTPMethodNotAllowed):
        return _options(allow_of(exc, request))
    return _options(", ".join(METHODS[:-3])) if request.raw_path == "*" else None


async def redirect_without_slash(exc: web.HTTPException, request: web.BaseRequest) -> web.Response | None:
    """308 to the path without its last slash, if there is something; the method and body stay the same."""
    path, mark, query = request.raw_path.partition("?")
    shorter = path.rstrip("/")
    if (
        exc.status != 404
        or shorter == path
        or not shorter
        or "//" in path
        or not isinstance(request, web.Request)
    ):
        return None
    found = await request.match_info.apps[0].router.resolve(request.clone(rel_url=f"{shorter}{mark}{query}"))
    if found.http_exception is not None and found.http_exception.status == 404:
        return None
    headers = CIMultiDict((("Location", f"{root_of(request)}{shorter}{mark}{query}"), SERVER))
    return web.Response(status=308, headers=headers)


def _own_methods(request: web.BaseRequest) -> set[str]:
    if not isinstance(request, web.Request):
        return set()
    resources = request.match_info.apps[0].router.resources()
    return {route.method for each in resources if each.canonical == request.path for route in each}


def _listed(methods: Iterable[str]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _options(allowed: str) -> web.Response:
    return web.Response(status=204, headers=CIMultiDict((("Allow", allowed), SERVER)))
