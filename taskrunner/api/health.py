"""The routes for operators, the same on `serve` and `consume`: health, readiness, statistics, metrics.

- `/livez`: 200 as long as the event loop turns. For a supervisor that restarts what hangs.
- `/readyz`: 200 when work may be sent here, else 503 with the reasons. For load balancers and deployments.
- `/health`: one check per dependency; 503 `degraded` when any of them is not ok. For people and alarms.
- `/stats`: numbers as JSON. `/metrics`: the same for Prometheus.

The two differ on purpose: with RabbitMQ away `serve` is degraded, but ready, since it still accepts tasks.
"""

from aiohttp import web

from taskrunner.api import service_schemas
from taskrunner.api.operations import Operation
from taskrunner.api.resources import Resource
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.monitor import exposition
from taskrunner.monitor.health import CheckReport, Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats

_HEALTH = Operation(
    summary="One check per dependency; 503 when any is not ok.",
    answers={200: service_schemas.Health, 503: service_schemas.Health},
)
_LIVEZ = Operation(summary="200 as long as the event loop turns.", answers={200: service_schemas.Liveness})
_READYZ = Operation(
    summary="Whether work may be sent here.",
    answers={200: service_schemas.Readiness, 503: service_schemas.Readiness},
)
_STATS = Operation(summary="Numbers.", answers={200: service_schemas.Stats})
_METRICS = Operation(summary="The same for Prometheus.", answers={200: "text/plain"})


class HealthRoutes:
    """Answers from `Health`, `Stats` and `Metrics`; no request here ever waits for a service that is away."""

    def __init__(self, health: Health, stats: Stats, metrics: Metrics) -> None:
        self._health = health
        self._stats = stats
        self._metrics = metrics

    def add_to(self, routes: Routes) -> None:
        for path, handler, operation in (
            ("/health", self.health, _HEALTH),
            ("/livez", self.livez, _LIVEZ),
            ("/readyz", self.readyz, _READYZ),
            ("/stats", self.stats, _STATS),
            ("/metrics", self.metrics, _METRICS),
        ):
            routes.get(path, handler, operation)

    async def health(self, _: web.Request) -> web.Response:
        checks = self._health.report()
        ok = all(report.check.ok for report in checks.values())
        return json_response(
            {
                "status": "ok" if ok else "degraded",
                "checks": {name: _check_resource(report) for name, report in checks.items()},
            },
            status=200 if ok else 503,
        )

    async def livez(self, _: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        readiness = self._health.readiness()
        return json_response(
            {"status": "ready" if readiness.ready else "not ready", "reasons": readiness.reasons},
            status=200 if readiness.ready else 503,
        )

    async def stats(self, _: web.Request) -> web.Response:
        return json_response(await self._stats.collect())

    async def metrics(self, _: web.Request) -> web.Response:
        text = exposition.render(self._metrics, await self._stats.collect())
        return web.Response(
            body=text, headers={"Content-Type": exposition.CONTENT_TYPE, "Server": "taskrunner"}
        )


def _check_resource(report: CheckReport) -> Resource:
    check = report.check
    resource: Resource = {"ok": check.ok, "error": check.error, "since": report.since}
    return {**resource, "details": check.details} if check.details else resource
