"""What operators see of a running platform: its log, metrics, health and statistics."""

from collections.abc import Mapping

from taskrunner.app.platform import Platform
from taskrunner.domain.task import Lane
from taskrunner.monitor.health import Check, Health
from taskrunner.monitor.logs import EventLog, configure
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Cached, Provider, Stats

# However often `/stats` is asked for, the store and the broker hear of it this seldom.
_STATS_AGE = 0.5


class Monitor:
    """Listens to the platform's events from its making on."""

    def __init__(self, platform: Platform, *, consuming: bool, providers: Mapping[str, Provider]) -> None:
        self._platform = platform
        self._consuming = consuming
        logger = platform.config.logger
        configure(logger.level, logger.format)
        self.metrics = Metrics(platform.clock)
        self.health = Health(platform.clock)
        # The API accepts without the broker, so only a consumer is not ready without it.
        self.health.add("rabbitmq", self._rabbitmq, needed=consuming)
        self.health.add("redis", self._redis, needed=True)
        common: dict[str, Provider] = {
            "queues": Cached(self._queues, platform.clock, seconds=_STATS_AGE),
            "counts": Cached(self._counts, platform.clock, seconds=_STATS_AGE),
            "rates": self.metrics.rates,
            "totals": self.metrics.totals,
            "reconnects": self._reconnects,
        }
        self.stats = Stats({**providers, **common}, platform.clock)
        for listener in (self.metrics, self.health, EventLog(logger.level)):
            platform.events.subscribe(listener)

    def _rabbitmq(self) -> Check:
        status = self._platform.broker.status()
        error = status.error or status.blocked
        if not status.connected:
            return Check(ok=False, error=error or "not connected", details=status.details)
        if self._consuming and not status.consuming:
            return Check(ok=False, error=error or "connected, but not consuming", details=status.details)
        return Check(ok=status.blocked is None, error=error, details=status.details)

    def _redis(self) -> Check:
        status = self._platform.store.status()
        details = {**status.details, **({"warnings": list(status.warnings)} if status.warnings else {})}
        if not status.connected:
            return Check(ok=False, error=status.error or "not connected", details=details)
        return Check(ok=True, details=details)

    async def _counts(self) -> dict[str, int]:
        return {status.value: count for status, count in (await self._platform.store.counts()).items()}

    async def _queues(self) -> dict[str, int]:
        depths = await self._platform.broker.depths()
        return {**{lane.value: depths.get(lane, 0) for lane in Lane}, "total": sum(depths.values())}

    def _reconnects(self) -> dict[str, int]:
        return {
            "rabbitmq": self._platform.broker.status().reconnects,
            "redis": self._platform.store.status().reconnects,
        }
