"""The routes for pauses: list, pause, resume. This process follows at once, others within two seconds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

from aiohttp import web

from taskrunner.api.auth.audited import change_of
from taskrunner.api.http.parameters import SCOPES
from taskrunner.api.http.query import Query
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.view import View
from taskrunner.domain.clock import Clock
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.shared_read import Refresh
from taskrunner.stores.base import OperatorStore


class PauseView(View):
    """A scope: `all`, `queue:NAME`, `label:NAME=VALUE` or `label:NAME`."""

    scope: str
    since: AwareDatetime


class PauseList(View):
    """What is paused."""

    pauses: Sequence[PauseView]

    @classmethod
    def of(cls, pauses: Mapping[str, AwareDatetime]) -> Self:
        return cls(pauses=[PauseView(scope=scope, since=since) for scope, since in sorted(pauses.items())])


_LIST = Operation(summary="What is paused.", answers={200: PauseList}, problems=(503,))
_PAUSE = Operation(
    summary="Start no more attempts of a queue, of a label or at all; running attempts go on to their end.",
    answers={200: PauseList},
    parameters=SCOPES,
    problems=(400, 503),
)
_RESUME = Operation(
    summary="Start attempts again.", answers={200: PauseList}, parameters=SCOPES, problems=(400, 503)
)


class PauseRoutes:
    """`GET /pauses`, `POST /pause`, `POST /resume`; each answers what is paused afterwards."""

    def __init__(self, store: OperatorStore, queues: QueueAdmin, clock: Clock, refresh: Refresh) -> None:
        self._store = store
        self._queues = queues
        self._refresh = refresh
        self._clock = clock

    def add_to(self, routes: Routes) -> None:
        routes.get("/pauses", self.list, _LIST)
        routes.post("/pause", self.pause, _PAUSE)
        routes.post("/resume", self.resume, _RESUME)

    async def list(self, _: web.Request) -> web.Response:
        return await self._answer()

    async def pause(self, request: web.Request) -> web.Response:
        for scope in _scopes(request, self._queues.declared.names):
            await self._store.pause(scope, now=self._clock.now())
            change_of(request).add(1)
        await self._refresh()
        return await self._answer()

    async def resume(self, request: web.Request) -> web.Response:
        """A scope that is not paused is left alone; a queue may be gone by now."""
        for scope in _scopes(request):
            change_of(request).add(await self._store.resume(scope))
        await self._refresh()
        return await self._answer()

    async def _answer(self) -> web.Response:
        return json_response(PauseList.of(await self._store.pauses()))


def _scopes(request: web.Request, declared: Collection[str] | None = None) -> list[str]:
    query = Query(request, SCOPES)
    scopes = query.scopes(declared)
    query.refuse_if_wrong()
    return scopes
