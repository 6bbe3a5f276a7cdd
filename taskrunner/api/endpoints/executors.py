"""The routes for executors: create, list, read, change, delete. All keys share them."""

import asyncio

from aiohttp import web

from taskrunner.api.auth.audited import change_of
from taskrunner.api.description.draft_schemas import merge_patch
from taskrunner.api.http.entity_tags import check_of
from taskrunner.api.http.parameters import CANCEL, EXECUTOR_NAME
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.named_resource import NamedResource
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.executor import ExecutorList, ExecutorView
from taskrunner.domain.errors import ExecutorInvalid
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.executors.executor_draft import ExecutorDraft, check_executor_name
from taskrunner.producer.executor_admin import ExecutorAdmin

_JSON = "application/json"
_RESOURCE = NamedResource(
    path="/executors",
    described="An executor",
    draft=ExecutorDraft,
    invalid=ExecutorInvalid,
    check_name=check_executor_name,
)
# A schema of 32 KiB, and as much again for everything else.
_MAX_REQUEST_BYTES = 64 * 1024
_CREATE = Operation(
    summary="Create an executor.",
    answers={201: ExecutorView},
    takes={_JSON: _RESOURCE.new},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_LIST = Operation(summary="All executors, by name.", answers={200: ExecutorList}, problems=(503,))
_READ = Operation(summary="An executor.", answers={200: ExecutorView}, problems=(404, 503))
_PUT = Operation(
    summary="Create an executor of this name, or replace it.",
    answers={200: ExecutorView, 201: ExecutorView},
    takes={_JSON: _RESOURCE.fields},
    problems=(400, 408, 409, 412, 413, 415, 422, 503),
    tagged=True,
)
_PATCH = Operation(
    summary="Change what a JSON merge patch (RFC 7396) names, and keep the rest; null removes a field.",
    answers={200: ExecutorView},
    takes=merge_patch(_RESOURCE.patch),
    problems=(400, 404, 408, 409, 412, 413, 415, 422, 503),
    tagged=True,
)
_DELETE = Operation(
    summary="Remove an executor that has no live tasks, or cancel them before.",
    answers={204: None},
    parameters=(CANCEL,),
    problems=(400, 404, 409, 412, 503),
    tagged=True,
)


class ExecutorRoutes:
    """`POST /executors`, `GET /executors`, and the methods of `/executors/{executor}`."""

    def __init__(self, executors: ExecutorAdmin, options: ApiSettings) -> None:
        self._executors = executors
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.post("/executors", self.create, _CREATE)
        routes.get("/executors", self.list, _LIST)
        routes.get("/executors/{executor}", self.read, _READ)
        routes.put("/executors/{executor}", self.put, _PUT)
        routes.patch("/executors/{executor}", self.patch, _PATCH)
        routes.delete("/executors/{executor}", self.delete, _DELETE)

    async def create(self, request: web.Request) -> web.Response:
        draft = await self._draft(request)
        name = change_of(request).target = _RESOURCE.name_in_body(draft)
        return self._answer(request, await self._executors.create(name, draft), status=201)

    async def list(self, _: web.Request) -> web.Response:
        views = [self._view(each) for each in await self._executors.list()]
        return json_response(ExecutorList(executors=views))

    async def read(self, request: web.Request) -> web.Response:
        return self._answer(request, await self._executors.get(path_value(request, EXECUTOR_NAME)))

    async def put(self, request: web.Request) -> web.Response:
        """201 for a new executor, 200 for a changed one."""
        name = _RESOURCE.new_name(request.match_info[EXECUTOR_NAME.name])
        draft = await self._draft(request)
        _RESOURCE.refuse_other_name(draft, name)
        executor, is_new = await self._executors.put(name, draft, check=check_of(request, self._view))
        return self._answer(request, executor, status=201 if is_new else 200)

    async def patch(self, request: web.Request) -> web.Response:
        name = path_value(request, EXECUTOR_NAME)
        raw = await self._body(request)
        executor = await self._executors.patch(name, raw, check=check_of(request, self._view))
        return self._answer(request, executor)

    async def delete(self, request: web.Request) -> web.Response:
        query = Query(request, _DELETE.parameters)
        cancel = query.get(CANCEL)
        query.refuse_if_wrong()
        name = path_value(request, EXECUTOR_NAME)
        await self._executors.delete(name, cancel=cancel, check=check_of(request, self._view))
        return empty_response()

    async def _draft(self, request: web.Request) -> ExecutorDraft:
        # To check the largest schemas takes a second.
        return await asyncio.to_thread(
            ExecutorDraft.from_json, await self._body(request), self._executors.limits
        )

    async def _body(self, request: web.Request) -> bytes:
        return await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)

    def _view(self, executor: Executor) -> ExecutorView:
        return ExecutorView.of(executor, self._options.masking)

    def _answer(self, request: web.Request, executor: Executor, *, status: int = 200) -> web.Response:
        return _RESOURCE.answer(request, self._view(executor), status=status)
