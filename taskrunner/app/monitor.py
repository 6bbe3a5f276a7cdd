"""What operators see of a running process: log, metrics, health and statistics."""

from collections.abc import Mapping

from taskrunner.api.probes import (
    broker_check,
    due_tasks,
    host_conditions,
    oldest_ages,
    queue_depths,
    reconnects,
    store_check,
    task_counts,
)
from taskrunner.app.platform import Platform
from taskrunner.domain.errors import TaskrunnerError
from taskrunner.monitor.call_times import BROKER_CALLS, STORE_CALLS
from taskrunner.monitor.event_log import EventLog
from taskrunner.monitor.health import Health
from taskrunner.monitor.logs import configure
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Cached, Provider, Stats

# However often `/stats` is requested, the store and the broker are asked at most once in this time.
_STATS_AGE = 0.5
# The same for what looks at up to a thousand entries.
_WALK_AGE = 5.0


class Monitor:
    """Subscribes to the platform's events at once; `providers` are the statistics of the command itself."""

    def __init__(self, platform: Platform, *, consuming: bool, providers: Mapping[str, Provider]) -> None:
        logger, clock = platform.config.logger, platform.clock
        broker, store = platform.broker, platform.store
        late = platform.config.relay.hold
        configure(logger.level, logger.format)
        self.metrics = Metrics(clock, platform.executors.source)
        self.metrics.calls.watch(store.name, store, STORE_CALLS)
        self.metrics.calls.watch(broker.name, broker, BROKER_CALLS)
        self.health = Health(clock)
        # The API accepts tasks without the broker, so only a consumer is not ready without it.
        self.health.add(broker.name, broker_check(broker, consuming=consuming), needed=consuming)
        self.health.add(store.name, store_check(store), needed=True)
        self._queues = Cached(queue_depths(broker), clock, seconds=_STATS_AGE)
        common: dict[str, Provider] = {
            "queues": self._queues,
            "counts": Cached(task_counts(store), clock, seconds=_STATS_AGE),
            "due": Cached(due_tasks(store, clock, late=0.0), clock, seconds=_STATS_AGE),
            "stuck": Cached(due_tasks(store, clock, late=late), clock, seconds=_STATS_AGE),
            "oldest": Cached(oldest_ages(store, clock), clock, seconds=_WALK_AGE),
            "hosts": Cached(host_conditions(platform.hosts), clock, seconds=_WALK_AGE),
            "paused": platform.pauses.describe,
            "rates": self.metrics.rates,
            "totals": self.metrics.totals,
            "reconnects": reconnects(broker, store),
        }
        self.stats = Stats({**providers, **common}, clock, platform.events)
        self._events, self._format, self._log = platform.events, logger.format, EventLog(logger.level)
        for listener in (self.metrics, self.health, self._log):
            platform.events.subscribe(listener, listener.kinds)

    async def depth(self) -> int | None:
        """The ready messages of all queues; None while the broker does not answer."""
        try:
            total: int = (await self._queues())["total"]
        except (TaskrunnerError, TimeoutError):
            return None
        return total

    def set_log_level(self, level: str) -> None:
        """Write lines of at least this level from now on."""
        configure(level, self._format)
        before, self._log = self._log, EventLog(level)
        self._events.replace(before, self._log, self._log.kinds)
