"""The routes for pauses: what is paused, pause more, resume. Each process hears of it within two seconds."""

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation, Parameter
from taskrunner.api.requests import Query
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.domain.clock import Clock
from taskrunner.domain.task import Priority
from taskrunner.stores.base import OperatorStore

_SCOPES = (
    Parameter(name="queue", description="This queue.", schema={"enum": [queue.value for queue in Priority]}),
    Parameter(
        name="label", description="Tasks with this label: NAME=VALUE, or NAME.", schema={"type": "string"}
    ),
    Parameter(name="all", description="Everything.", schema={"type": "boolean"}),
)
_LIST = Operation(summary="What is paused.", answers={200: schemas.Pauses}, problems=(503,))
_PAUSE = Operation(
    summary="Start nothing new of a queue, a label or at all; what runs goes on to its end.",
    answers={200: schemas.Pauses},
    parameters=_SCOPES,
    problems=(400, 503),
)
_RESUME = Operation(
    summary="Start it again.", answers={200: schemas.Pauses}, parameters=_SCOPES, problems=(400, 503)
)


class PauseRoutes:
    """`GET /pauses`, `POST /pause`, `POST /resume`; each answers what is paused then."""

    def __init__(self, store: OperatorStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add_to(self, routes: Routes) -> None:
        routes.get("/pauses", self.list, _LIST)
        routes.post("/pause", self.pause, _PAUSE)
        routes.post("/resume", self.resume, _RESUME)

    async def list(self, _: web.Request) -> web.Response:
        return await self._answer()

    async def pause(self, request: web.Request) -> web.Response:
        for scope in _scopes(request):
            await self._store.pause(scope, now=self._clock.now())
        return await self._answer()

    async def resume(self, request: web.Request) -> web.Response:
        """What is not paused stays so."""
        for scope in _scopes(request):
            await self._store.resume(scope)
        return await self._answer()

    async def _answer(self) -> web.Response:
        found = sorted((await self._store.pauses()).items())
        return json_response({"pauses": [{"scope": scope, "since": since} for scope, since in found]})


def _scopes(request: web.Request) -> list[str]:
    query = Query(request, ("all",), ("queue", "label"))
    scopes = query.scopes()
    query.refuse_if_wrong()
    return scopes
