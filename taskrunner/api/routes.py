"""Routes: every path of an application, with and without `/api/v1`, and its description for OpenAPI.

Both names stand in one router, not in a sub-application, which costs a second search for each request. A path
without placeholders needs none: see `FIXED_ROUTES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import HttpVersion11, web
from pydantic import BaseModel

from taskrunner.api.auth.access import Access, caller_of
from taskrunner.api.auth.audited import action_of, audited, is_audited
from taskrunner.api.auth.scopes import ROUTES, Needs
from taskrunner.api.description.draft_schemas import DerivedSchema
from taskrunner.api.http.entity_tags import refuse_conditions
from taskrunner.api.http.handler import FIXED_ROUTES, ROUTE, Handler
from taskrunner.api.http.parameters import Parameter
from taskrunner.api.http.problems import http_problem
from taskrunner.api.http.query import Query
from taskrunner.api.http.request_ids import request_id_of
from taskrunner.api.http.requests import refuse_body
from taskrunner.api.http.responses import problem_response
from taskrunner.api.views.view import View
from taskrunner.domain.errors import CallerError
from taskrunner.producer.audit_trail import AuditTrail

PREFIXES = ("", "/api/v1")
Answer = type[View] | str | None
# Raises `RequestRefused`.
Check = Callable[[web.Request], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The OpenAPI description of a route, beside those of the parameters in its path.

    `answers` by status: the view of a JSON answer, the media type of another one, None for an empty one, or
    several of which one is answered. `takes` is the request's body by media type, `problems` the statuses of
    the route's own problems. The handler of a `tagged` change checks conditions on entity tags; those of
    reads are checked for all of them. `events` are the data of the events in an answer that is a stream.
    """

    summary: str
    answers: Mapping[int, Answer | tuple[Answer, ...]]
    takes: Mapping[str, type[BaseModel] | DerivedSchema | Mapping[str, object]] = field(default_factory=dict)
    parameters: tuple[Parameter[Any], ...] = ()
    problems: tuple[int, ...] = ()
    tagged: bool = False
    events: tuple[type[View], ...] = ()

    def answers_of(self, status: int) -> tuple[Answer, ...]:
        """What may be answered with `status`."""
        answer = self.answers[status]
        return answer if isinstance(answer, tuple) else (answer,)


class Routes:
    """Adds handlers to an application and keeps their descriptions in `operations`.

    `access` is asked before each handler, and changes are recorded in `trail`. `max_request_bytes` is what a
    request with `Expect: 100-continue` is judged by.
    """

    def __init__(
        self, app: web.Application, access: Access, trail: AuditTrail, *, max_request_bytes: int
    ) -> None:
        self._router = app.router
        self._fixed_routes = app[FIXED_ROUTES] = {}
        self._access = access
        self._trail = trail
        self._max_request_bytes = max_request_bytes
        self.operations: dict[tuple[str, str], Operation] = {}
        # Paths without a placeholder, with each prefix.
        self._fixed: set[str] = set()

    def get(self, path: str, handler: Handler, operation: Operation) -> None:
        """GET and HEAD."""
        self._add("GET", self._router.add_get, path, handler, operation)

    def post(
        self, path: str, handler: Handler, operation: Operation, *, max_request_bytes: int | None = None
    ) -> None:
        """`max_request_bytes` is that of a route which takes more than the others."""
        self._add("POST", self._router.add_post, path, handler, operation, max_request_bytes)

    def put(self, path: str, handler: Handler, operation: Operation) -> None:
        self._add("PUT", self._router.add_put, path, handler, operation)

    def patch(self, path: str, handler: Handler, operation: Operation) -> None:
        self._add("PATCH", self._router.add_patch, path, handler, operation)

    def delete(self, path: str, handler: Handler, operation: Operation) -> None:
        self._add("DELETE", self._router.add_delete, path, handler, operation)

    def _add(
        self,
        method: str,
        add: Callable[..., object],
        path: str,
        handler: Handler,
        operation: Operation,
        max_request_bytes: int | None = None,
    ) -> None:
        self.operations[method, path] = operation
        checks: list[Check] = []
        if not operation.takes:
            handler = _without_body(handler)
        if method != "GET" and not operation.tagged:
            checks.append(refuse_conditions)
        if not any(each.place == "query" for each in operation.parameters):
            checks.append(_refuse_query)
        if is_audited(method, path):
            handler = audited(handler, action_of(method, path), self._trail)
        # A KeyError here: `scopes.ROUTES` has to say which scopes the new route needs.
        needs = ROUTES[method, path]
        limit = max_request_bytes or self._max_request_bytes
        handler = self._admitted(handler, (method, path), needs, checks)
        if "{" in path:
            handler = self._unless_fixed(handler)
        else:
            self._fixed.update(prefix + path for prefix in PREFIXES)
        # Below it there are folders.
        path = path.replace("{path}", "{path:.+}")
        for prefix in PREFIXES:
            add(prefix + path, handler, expect_handler=partial(self._expect, needs, limit))
            # The audit asks the router for the parts of the path.
            if "{" not in path and not is_audited(method, path):
                self._fixed_routes[method, prefix + path] = handler

    def _admitted(
        self, handler: Handler, route: tuple[str, str], needs: Needs, checks: Sequence[Check]
    ) -> Handler:
        """`handler` for requests that pass the checks, of callers that `access` admits.

        No refusal tells them the stored form of an id.
        """
        admit = self._access.admit

        async def answer(request: web.Request) -> web.StreamResponse:
            request[ROUTE] = route
            await admit(request, needs)
            try:
                for check in checks:
                    check(request)
                return await handler(request)
            except CallerError as exc:
                if shown := caller_of(request).shown_refusal(exc):
                    raise shown from exc
                raise

        return answer

    def _unless_fixed(self, handler: Handler) -> Handler:
        """`handler` for paths that are no others: aiohttp takes `GET /tasks/cancel` for a task `cancel`."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path in self._fixed:
                raise web.HTTPMethodNotAllowed(request.method, ())
            return await handler(request)

        return answer

    async def _expect(self, needs: Needs, limit: int, request: web.Request) -> web.StreamResponse | None:
        """RFC 9110 10.1.1: refuse whom or what we will not take before the body is sent, else ask for it."""
        # A client of HTTP/1.0 would not understand 100.
        if request.version < HttpVersion11:
            return None
        if request.headers["Expect"].lower() != "100-continue":
            unknown = http_problem(417, "the only expectation we know is 100-continue")
            return problem_response(unknown, request_id_of(request))
        length = request.content_length
        if length is not None and length > limit:
            detail = f"the body is larger than {limit} bytes"
            refusal = problem_response(http_problem(413, detail), request_id_of(request))
            # The client may send the body all the same; we will not read it to find the next request.
            refusal.force_close()
            return refusal
        await self._access.admit(request, needs)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Bytes before the response's own are no part of its size.
        request.writer.output_size = 0
        return None


def _without_body(handler: Handler) -> Handler:
    """`handler` for requests without a body: `{"dry_run": true}` beside a `cancel` would cancel."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.body_exists:
            await refuse_body(request)
        return await handler(request)

    return answer


def _refuse_query(request: web.Request) -> None:
    """For routes without a query; those that take one read it with `Query`.

    A parameter that is ignored does harm: `DELETE /tasks/x?dry_run=true` would delete.
    """
    if request.query_string:
        Query(request, ()).refuse_if_wrong()
