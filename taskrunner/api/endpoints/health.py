"""The routes of health and statistics: `/health`, `/livez`, `/readyz`, `/stats`, `/metrics`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aiohttp import web
from msgspec import UNSET, UnsetType

from taskrunner.api.auth.access import Access
from taskrunner.api.http.responses import json_response, raw_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.view import View
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.monitor import exposition
from taskrunner.monitor.health import CheckReport, Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats


class CheckView(View):
    """One dependency."""

    ok: bool
    error: str | None
    since: AwareDatetime
    details: Mapping[str, Any] | UnsetType = UNSET

    @classmethod
    def of(cls, report: CheckReport) -> "CheckView":
        check = report.check
        return cls(ok=check.ok, error=check.error, since=report.since, details=check.details or UNSET)


class HealthView(View):
    """One check per dependency; only the status for a caller without a key, where statistics need one.

    `auth` is there if the API needs no key.
    """

    status: Literal["ok", "degraded"]
    auth: Literal["none"] | UnsetType = UNSET
    checks: Mapping[str, CheckView] | UnsetType = UNSET


class LivenessView(View):
    """The event loop runs."""

    status: Literal["ok"]


class ReadinessView(View):
    """Whether work may be sent here, and why not: only names of services for a caller without a key."""

    status: Literal["ready", "not ready"]
    reasons: Sequence[str]


class StatsView(View):
    """Numbers by part; null for a part that is not available, with the reason in `errors`.

    Only `consume` has `workers` and `in_flight`.
    """

    queues: Mapping[str, Any] | UnsetType | None = UNSET
    counts: Mapping[Status, int] | UnsetType | None = UNSET
    stuck: Mapping[Status, int] | UnsetType | None = UNSET
    due: Mapping[Status, int] | UnsetType | None = UNSET
    oldest: Mapping[str, float] | UnsetType | None = UNSET
    hosts: Mapping[str, int] | UnsetType | None = UNSET
    paused: Mapping[str, AwareDatetime] | UnsetType | None = UNSET
    rates: Mapping[str, Mapping[str, float]] | UnsetType | None = UNSET
    totals: Mapping[str, int] | UnsetType | None = UNSET
    reconnects: Mapping[str, int] | UnsetType | None = UNSET
    workers: Mapping[str, Any] | UnsetType | None = UNSET
    in_flight: int | UnsetType | None = UNSET
    uptime: float
    version: str
    errors: Mapping[str, str]


_HEALTH = Operation(
    summary="One check per dependency; 503 when any is not ok.",
    answers={200: HealthView, 503: HealthView},
)
_LIVEZ = Operation(summary="200 as long as the event loop runs.", answers={200: LivenessView})
_READYZ = Operation(
    summary="Whether work may be sent here.",
    answers={200: ReadinessView, 503: ReadinessView},
)
_STATS = Operation(summary="Statistics.", answers={200: StatsView})
_METRICS = Operation(summary="The same for Prometheus.", answers={200: "text/plain"})


class HealthRoutes:
    """No request here ever waits for a service that is unavailable."""

    def __init__(self, health: Health, stats: Stats, metrics: Metrics, access: Access) -> None:
        self._access = access
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

    async def health(self, request: web.Request) -> web.Response:
        checks = self._health.report()
        ok = all(report.check.ok for report in checks.values())
        view = HealthView(
            status="ok" if ok else "degraded",
            auth="none" if self._access.is_open else UNSET,
            checks={name: CheckView.of(report) for name, report in checks.items()}
            if await self._access.sees_details(request)
            else UNSET,
        )
        return json_response(view, status=200 if ok else 503)

    async def livez(self, _: web.Request) -> web.Response:
        return json_response(LivenessView(status="ok"))

    async def readyz(self, request: web.Request) -> web.Response:
        readiness = self._health.readiness()
        reasons = readiness.reasons
        if reasons and not await self._access.sees_details(request):
            # The errors of services name hosts and ports.
            reasons = tuple(reason.partition(":")[0] for reason in reasons)
        view = ReadinessView(status="ready" if readiness.ready else "not ready", reasons=reasons)
        return json_response(view, status=200 if readiness.ready else 503)

    async def stats(self, _: web.Request) -> web.Response:
        return json_response(StatsView(**await self._stats.collect()))

    async def metrics(self, _: web.Request) -> web.Response:
        text = exposition.render(self._metrics, await self._stats.collect(), self._health.report())
        return raw_response(text, 200, exposition.CONTENT_TYPE)
