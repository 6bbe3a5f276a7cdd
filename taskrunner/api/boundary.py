"""The boundary: the last stop of every exception that a request raises, where it becomes a problem."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from taskrunner.api.problems import Problem, http_problem, internal_error, problem_of
from taskrunner.api.responses import problem_response
from taskrunner.domain.events import Events, RequestFailed

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# After these the rest of the request may still be on its way, so the connection cannot be used again.
_CLOSING = frozenset({408, 413})


class Boundary:
    """Wraps an application's handler. It stands outside of the router, so that a path or method that is not
    there gets a problem too, and costs a request nothing but one more call.
    """

    def __init__(self, handle: Handle, events: Events) -> None:
        self._handle = handle
        self._events = events

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._handle(request)
        except web.HTTPException as exc:
            if exc.status < 400:
                raise
            return _answer(_of_aiohttp(exc, request))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of a request: log it, tell an id
            return _answer(problem_of(exc) or self._unexpected(exc, request))

    def _unexpected(self, exc: Exception, request: web.BaseRequest) -> Problem:
        error_id = str(uuid.uuid4())
        self._events.emit(RequestFailed(id=error_id, method=request.method, path=request.path, error=exc))
        return internal_error(error_id)


def _answer(problem: Problem) -> web.Response:
    response = problem_response(problem)
    if problem.status in _CLOSING:
        response.force_close()
    return response


def _of_aiohttp(exc: web.HTTPException, request: web.BaseRequest) -> Problem:
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        detail = f"{request.method} is not for {request.path}; allowed: {allowed}"
        return http_problem(405, detail, {"Allow": allowed})
    if exc.status == 404:
        return http_problem(404, f"there is nothing at {request.path}; GET / lists what there is")
    return http_problem(exc.status, exc.reason)
