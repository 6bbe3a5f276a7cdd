"""HostWatch keeps limits and shared host states fresh, and the leases of places at hosts alive."""

from collections.abc import Mapping

from taskrunner.consumer.host_feedback import HostFeedback
from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.in_flight import InFlight
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events, HostLimitsChanged
from taskrunner.domain.host_limit import HostLimits, read_limits
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# A changed limit takes effect everywhere after about this many seconds.
LOOK = 1.0
# Only the states that matter longest are read in advance; the others are read when a task needs them.
_MAX_STATES = 2000
# With more states than this the interval grows in proportion.
_MANY_STATES = 500


class HostWatch(Service):
    """One turn reads limits and states and measures attempts that take long."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        hosts: HostStatsTable,
        states: SharedHostStates,
        feedback: HostFeedback,
        in_flight: InFlight,
        settings: ConsumerSettings,
    ) -> None:
        super().__init__("host watch", events)
        self._store = store
        self._clock = clock
        self._hosts = hosts
        self._states = states
        self._feedback = feedback
        self._in_flight = in_flight
        self._configured = settings.host_limits
        self._interval = settings.lease / 3
        self._renew_from = 0.0
        self._stored: Mapping[str, bytes] = {}
        hosts.apply_limits(HostLimits(self._configured))

    async def turn(self) -> float:
        self._feedback.measure_running(self._in_flight)
        now = self._clock.monotonic()
        if now >= self._renew_from:
            self._feedback.renew_places()
            self._renew_from = now + self._interval
        await self._read_limits()
        seen = await self._states.refresh(_MAX_STATES)
        return LOOK * max(1.0, seen / _MANY_STATES)

    async def _read_limits(self) -> None:
        stored = await self._store.host_limits()
        if stored != self._stored:
            self._stored = stored
            self._hosts.apply_limits(HostLimits(self._configured, read_limits(stored)))
            self._events.emit(HostLimitsChanged(patterns=tuple(sorted(stored))))
