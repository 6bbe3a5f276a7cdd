"""The routes for hosts: their state, their limits, and a reset by hand."""

from aiohttp import web

from taskrunner.api.description.draft_schemas import Patch, merge_patch
from taskrunner.api.http.entity_tags import check_of, tagged_response
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import HOST, HOST_LIMIT, LIMIT, TASK_CURSOR
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.host import HostDetail, HostLimitView, HostList
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.producer.change_check import Check
from taskrunner.producer.host_admin import HostAdmin, HostLimitEntry

LIMIT_PATCH = Patch(draft=HostLimit)
_LIST = Operation(
    summary="Hosts with tasks that are limited or in trouble, and all limits.",
    answers={200: HostList},
    parameters=(LIMIT, TASK_CURSOR),
    problems=(400, 503),
)
_READ = Operation(
    summary="The state of a host.",
    answers={200: HostDetail},
    problems=(400, 404, 503),
)
_READ_LIMIT = Operation(
    summary="The limit of a host or pattern, set by the API or configured.",
    answers={200: HostLimitView},
    problems=(404, 503),
)
_RESET = Operation(
    summary="Close the circuit breaker of a host and end a slowdown.",
    answers={200: HostDetail},
    problems=(404, 503),
)
_SET = Operation(
    summary="Limit a host, or each that matches a pattern (*.example.com, *); a rate is 10/s, 90/m, 5/h.",
    answers={200: HostLimitView},
    takes={"application/json": HostLimit},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_PATCH = Operation(
    summary="Change what a JSON merge patch (RFC 7396) names in a limit, and keep the rest; null removes it.",
    answers={200: HostLimitView},
    takes=merge_patch(LIMIT_PATCH),
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_REMOVE = Operation(
    summary="Remove a limit that was set by the API.",
    answers={204: None},
    problems=(404, 409, 503),
    tagged=True,
)


class HostRoutes:
    """`GET /hosts`, `GET /hosts/{host}`, its `limit` and its `reset`."""

    def __init__(self, hosts: HostAdmin, options: ApiSettings, *, max_request_bytes: int) -> None:
        self._hosts = hosts
        self._options = options
        self._max_request_bytes = max_request_bytes

    def add_to(self, routes: Routes) -> None:
        routes.get("/hosts", self.list, _LIST)
        routes.get("/hosts/{host}", self.read, _READ)
        routes.post("/hosts/{host}/reset", self.reset, _RESET)
        routes.get("/hosts/{pattern}/limit", self.read_limit, _READ_LIMIT)
        routes.put("/hosts/{pattern}/limit", self.set_limit, _SET)
        routes.patch("/hosts/{pattern}/limit", self.patch_limit, _PATCH)
        routes.delete("/hosts/{pattern}/limit", self.remove_limit, _REMOVE)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, _LIST.parameters)
        limit, cursor = query.get(LIMIT), query.get(TASK_CURSOR)
        query.refuse_if_wrong()
        page = await query.with_cursor(lambda: self._hosts.list(limit=limit, cursor=cursor))
        hosts = [HostDetail.of(each) for each in page.items]
        limits = [HostLimitView.of(each) for each in await self._hosts.limits()]
        view = HostList(hosts=hosts, limits=limits, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

    async def read(self, request: web.Request) -> web.Response:
        return json_response(HostDetail.of(await self._hosts.show(path_value(request, HOST))))

    async def reset(self, request: web.Request) -> web.Response:
        return json_response(HostDetail.of(await self._hosts.reset(path_value(request, HOST))))

    async def read_limit(self, request: web.Request) -> web.Response:
        return json_response(HostLimitView.of(await self._hosts.limit(path_value(request, HOST_LIMIT))))

    async def set_limit(self, request: web.Request) -> web.Response:
        raw = await self._body(request)
        pattern = path_value(request, HOST_LIMIT)
        limit = await self._hosts.set_limit(pattern, raw, check=_check(request))
        return tagged_response(HostLimitView.of(limit))

    async def patch_limit(self, request: web.Request) -> web.Response:
        raw = await self._body(request)
        pattern = path_value(request, HOST_LIMIT)
        limit = await self._hosts.patch_limit(pattern, raw, check=_check(request))
        return tagged_response(HostLimitView.of(limit))

    async def remove_limit(self, request: web.Request) -> web.Response:
        await self._hosts.remove_limit(path_value(request, HOST_LIMIT), check=_check(request))
        return empty_response()

    async def _body(self, request: web.Request) -> bytes:
        return await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )


def _check(request: web.Request) -> Check[HostLimitEntry]:
    return check_of(request, HostLimitView.of)
