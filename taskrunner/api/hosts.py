"""The routes for hosts: how things are with them, their limits, and the end of a trouble by hand."""

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation
from taskrunner.api.requests import LIMIT, Query, read_json_body
from taskrunner.api.resources import host_limit_resource, host_resource
from taskrunner.api.responses import empty_response, json_response
from taskrunner.api.routes import Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.domain.host_limit import HostLimit
from taskrunner.producer.host_admin import HostAdmin

_LIST = Operation(
    summary="Hosts that are limited or in trouble and have tasks, and all limits.",
    answers={200: schemas.Hosts},
    parameters=(LIMIT,),
    problems=(400, 503),
)
_READ = Operation(summary="How things are with a host.", answers={200: schemas.Host}, problems=(422, 503))
_RESET = Operation(
    summary="Close the circuit of a host and take back a slowdown.",
    answers={200: schemas.Host},
    problems=(422, 503),
)
_SET = Operation(
    summary="Limit a host, or each that a pattern (*.example.com, *) holds for; a rate is 10/s, 90/m, 5/h.",
    answers={200: schemas.GivenLimit},
    takes={"application/json": HostLimit},
    problems=(400, 408, 413, 415, 422, 503),
)
_REMOVE = Operation(
    summary="Take back a limit that was set by the API.", answers={204: None}, problems=(404, 422, 503)
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
        routes.put("/hosts/{host}/limit", self.set_limit, _SET)
        routes.delete("/hosts/{host}/limit", self.remove_limit, _REMOVE)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, ("limit",))
        limit = query.limit(self._options.default_page, self._options.max_page)
        query.refuse_if_wrong()
        hosts = [host_resource(each) for each in await self._hosts.list(limit=limit)]
        limits = [host_limit_resource(each) for each in await self._hosts.limits()]
        return json_response({"hosts": hosts, "limits": limits})

    async def read(self, request: web.Request) -> web.Response:
        return json_response(host_resource(await self._hosts.show(request.match_info["host"])))

    async def reset(self, request: web.Request) -> web.Response:
        return json_response(host_resource(await self._hosts.reset(request.match_info["host"])))

    async def set_limit(self, request: web.Request) -> web.Response:
        raw = await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )
        shown = await self._hosts.set_limit(request.match_info["host"], raw)
        return json_response(host_limit_resource(shown))

    async def remove_limit(self, request: web.Request) -> web.Response:
        await self._hosts.remove_limit(request.match_info["host"])
        return empty_response()
