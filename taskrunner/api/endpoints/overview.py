"""`GET /overview`: what an operator looks at first, in one request."""

import asyncio
from datetime import UTC, datetime

from aiohttp import web

from taskrunner.api.endpoints.fleet import read_history
from taskrunner.api.http.parameters import RESOLUTION, SINCE
from taskrunner.api.http.query import Query
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.fleet import PointView, QueueView, WorkerView
from taskrunner.api.views.host import HostDetail
from taskrunner.api.views.overview import DependencyView, FailuresView, OverviewView
from taskrunner.domain.hosts.host_view import HostCondition
from taskrunner.domain.value import replace
from taskrunner.monitor.health import Health
from taskrunner.monitor.stats import Stats
from taskrunner.producer.fleet import Fleet
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.producer.recent_failures import recent_failures
from taskrunner.stores.base import Store

_MOST_HOSTS = 50
# Of so many whose state lasts longest; hosts with a limit are among them while they are well.
_READ_HOSTS = 500
# Parts that `/stats` has, too.
_COUNTS = ("counts", "stuck")
_OVERVIEW = Operation(
    summary="Dependencies, queues, consumers, hosts in trouble, recent failures, and the figures over time.",
    answers={200: OverviewView},
    parameters=(RESOLUTION, SINCE),
    problems=(400,),
)


class OverviewRoutes:
    """Asks each part at the same time. A part that fails is missing, and the others are answered."""

    def __init__(self, fleet: Fleet, hosts: HostAdmin, store: Store, health: Health, stats: Stats) -> None:
        self._fleet = fleet
        self._hosts = hosts
        self._store = store
        self._health = health
        self._stats = stats

    def add_to(self, routes: Routes) -> None:
        routes.get("/overview", self.overview, _OVERVIEW)

    async def overview(self, request: web.Request) -> web.Response:
        history = read_history(Query(request, _OVERVIEW.parameters))
        now = datetime.now(UTC)

        async def queues() -> list[QueueView]:
            return [QueueView.of(each, now) for each in await self._fleet.queues()]

        async def workers() -> list[WorkerView]:
            return [WorkerView.of(replace(each, running=())) for each in await self._fleet.workers()]

        async def points() -> list[PointView]:
            found = await self._fleet.history(seconds=history.seconds, first=history.first, last=history.last)
            return [PointView.of(each) for each in found]

        async def hosts() -> list[HostDetail]:
            found = (await self._hosts.list(limit=_READ_HOSTS)).items
            in_trouble = [each for each in found if each.condition is not HostCondition.OK]
            return [HostDetail.of(each) for each in in_trouble[:_MOST_HOSTS]]

        async def failures() -> FailuresView:
            return FailuresView.of(await recent_failures(self._store))

        (parts, missing), stats = await asyncio.gather(
            self._stats.ask(
                {"queues": queues, "workers": workers, "points": points, "hosts": hosts, "failures": failures}
            ),
            self._stats.collect(),
        )
        missing |= {name: error for name, error in stats["errors"].items() if name in _COUNTS}
        # Known in this process: told also when everything else is away.
        checks = {
            name: DependencyView(ok=each.check.ok, error=each.check.error, since=each.since)
            for name, each in self._health.report().items()
        }
        return json_response(
            OverviewView(
                checks=checks,
                missing=missing,
                resolution=history.seconds,
                **{name: stats.get(name) for name in _COUNTS},
                **parts,
            )
        )
