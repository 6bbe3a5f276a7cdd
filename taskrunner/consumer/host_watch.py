"""The host watch keeps fresh what the host_gate knows of limits and troubles, which all consumers share."""

from collections.abc import Callable, Iterable, Mapping

from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.host_gate import HostGate
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events, HostLimitsChanged
from taskrunner.domain.host_limit import HostLimit, HostLimits, read_limits
from taskrunner.runtime.service import Service
from taskrunner.stores.base import HostStore

# A change takes effect everywhere after about this many seconds.
LOOK = 1.0
# Of more hosts those that matter for the longest are known; the others are asked for when it comes to it.
_MOST = 2000
# Where there is more to see, it is seen less often.
_MANY = 500


class HostWatch(Service):
    """One turn: read limits and states, renew the leases of what is under way, look at what takes long."""

    def __init__(
        self,
        store: HostStore,
        events: Events,
        clock: Clock,
        host_gate: HostGate,
        configured: Mapping[str, HostLimit],
        held: Callable[[], Iterable[ClaimedAttempt]],
        *,
        lease: float,
    ) -> None:
        super().__init__("host watch", events)
        self._store = store
        self._clock = clock
        self._host_gate = host_gate
        self._configured = configured
        self._held = held
        self._interval = lease / 3
        self._renew_from = 0.0
        self._given: Mapping[str, bytes] = {}
        host_gate.apply(HostLimits(configured))

    async def turn(self) -> float:
        self._host_gate.age(self._held())
        now = self._clock.monotonic()
        if now >= self._renew_from:
            self._host_gate.renew()
            self._renew_from = now + self._interval
        await self._look_up_limits()
        seen = await self._host_gate.ledger.refresh(_MOST)
        return LOOK * max(1.0, seen / _MANY)

    async def _look_up_limits(self) -> None:
        given = await self._store.host_limits()
        if given != self._given:
            self._given = given
            self._host_gate.apply(HostLimits(self._configured, read_limits(given)))
            self._events.emit(HostLimitsChanged(patterns=tuple(sorted(given))))
