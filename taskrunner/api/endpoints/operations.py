"""The routes for operations: make one, list, read and abort them."""

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.auth.audited import actor_of, change_of
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import CURSOR, LIMIT, OPERATION_ID
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value, prefix_of, read_json_body
from taskrunner.api.http.responses import json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.operation_request import OperationRequest
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.operation import OperationPage, OperationView
from taskrunner.producer.operation_admin import OperationAdmin

# A thousand of the longest ids.
_MAX_REQUEST_BYTES = 256 * 1024
_LIST = Operation(
    summary="Operations on many tasks, the newest first.",
    answers={200: OperationPage},
    parameters=(LIMIT, CURSOR),
    problems=(400, 503),
)
_CREATE = Operation(
    summary="Cancel, requeue or delete many tasks or dead letters, in the background.",
    answers={202: OperationView},
    takes={"application/json": OperationRequest},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_READ = Operation(
    summary="One operation, with its progress.", answers={200: OperationView}, problems=(404, 503)
)
_ABORT = Operation(
    summary="Abort an operation: it ends within a second, and what is done stays done.",
    answers={202: OperationView},
    problems=(404, 409, 503),
)


class OperationRoutes:
    """`GET /operations`, `POST /operations`, `GET /operations/{operation}` and its `/abort`."""

    def __init__(self, operations: OperationAdmin, options: ApiSettings) -> None:
        self._operations = operations
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/operations", self.list, _LIST)
        routes.post("/operations", self.create, _CREATE, max_request_bytes=_MAX_REQUEST_BYTES)
        routes.get("/operations/{operation}", self.read, _READ)
        routes.post("/operations/{operation}/abort", self.abort, _ABORT)

    async def create(self, request: web.Request) -> web.Response:
        """202 with the operation, whose progress is at `Location`."""
        body = await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)
        draft = OperationRequest.from_json(body)
        caller = caller_of(request)
        made = await self._operations.create(
            draft, actor_of(request), namespace=caller.namespace, stored=caller.stored
        )
        operation = made.operation
        change = change_of(request)
        if operation.dry_run:
            change.add(0)
        change.target = operation.described
        location = f"{prefix_of(request)}/operations/{operation.id}"
        view = OperationView.of(operation, caller.shown)
        return json_response(view, status=202, headers=(("Location", location),))

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, _LIST.parameters)
        limit, cursor = query.get(LIMIT), query.get(CURSOR)
        query.refuse_if_wrong()
        caller = caller_of(request)
        page = await self._operations.list(namespace=caller.namespace, limit=limit, cursor=cursor)
        shown = [OperationView.of(each, caller.shown) for each in page.items]
        view = OperationPage(operations=shown, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

    async def read(self, request: web.Request) -> web.Response:
        caller, operation_id = caller_of(request), path_value(request, OPERATION_ID)
        operation = await self._operations.find(operation_id, namespace=caller.namespace)
        return json_response(OperationView.of(operation, caller.shown))

    async def abort(self, request: web.Request) -> web.Response:
        """202 with the operation; a request body is ignored."""
        caller, operation_id = caller_of(request), path_value(request, OPERATION_ID)
        operation = await self._operations.abort(operation_id, namespace=caller.namespace)
        return json_response(OperationView.of(operation, caller.shown), status=202)
