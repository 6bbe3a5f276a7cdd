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
_OVERVIEW = Operation(
    summary="Queues, consumers, dependencies, hosts in trouble, recent failures, and the figures over time.",
    answers={200: OverviewView},
    parameters=(RESOLUTION, SINCE),
    problems=(400, 503),
)


class OverviewRoutes:
    """Asks each part at the same time."""

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
        queues, workers, points, hosts, failures, stats = await asyncio.gather(
            self._fleet.queues(),
            self._fleet.workers(),
            self._fleet.history(seconds=history.seconds, first=history.first, last=history.last),
            self._hosts.list(limit=_READ_HOSTS),
            recent_failures(self._store),
            self._stats.collect(),
        )
        now = datetime.now(UTC)
        in_trouble = [each for each in hosts.items if each.condition is not HostCondition.OK]
        checks = self._health.report()
        return json_response(
            OverviewView(
                queues=[QueueView.of(each, now) for each in queues],
                workers=[WorkerView.of(replace(each, running=())) for each in workers],
                checks={
                    name: DependencyView(ok=each.check.ok, error=each.check.error, since=each.since)
                    for name, each in checks.items()
                },
                counts=stats.get("counts"),
                stuck=stats.get("stuck"),
                hosts=[HostDetail.of(each) for each in in_trouble[:_MOST_HOSTS]],
                failures=FailuresView.of(failures),
                resolution=history.seconds,
                points=[PointView.of(each) for each in points],
            )
        )
