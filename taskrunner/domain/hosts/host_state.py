"""The state of a host, as all consumers share it: circuit breaker, back-pressure, pace and slots in use.

Each change is a pure function from one state to the next; the store writes the new state if no other consumer
was faster. `host_admission` decides from the state which tasks may start.

Times are seconds since 1970 by the clock of the process that writes. A clock may be wrong, so `sanitized`
replaces a time that is further ahead than a correct clock can write. Cutting it to the latest possible time
would not do: at each read that time would move on, and never come.
"""

from collections.abc import Collection, Iterable, Mapping

from taskrunner.domain.clock import SKEW
from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.hosts.back_pressure import BackPressure
from taskrunner.domain.hosts.circuit_breaker import CircuitBreaker, CircuitPhase
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.value import Value, field, replace

_GRACE = 1.0
# The weight of the newest measurement in the mean.
_NEWEST = 0.3
# The longest lease that can be configured.
_LONGEST_LEASE = 3600.0


class HeldSlots(Value):
    """The number of attempts that a consumer has under way at a host; the lease ends at `until`."""

    held: int
    until: float


class HostState(Value):
    """What the consumers share about a host.

    `arrival` is the theoretical arrival time of the rate limit. `tail` is the latest start time given to a
    waiting task. `mean` is how long attempts take, in seconds, 0 before the first has ended. `slots` are by
    consumer: each writes its current number, not changes to it, so that no count is wrong for long. Those of
    remote workers are one by one, by lease: whoever hears of an end need not know of the others.
    """

    breaker: CircuitBreaker = CircuitBreaker()
    back_pressure: BackPressure = BackPressure()
    arrival: float = 0.0
    tail: float = 0.0
    mean: float = 0.0
    slots: Mapping[str, HeldSlots] = field(default_factory=dict)

    @property
    def relevant_until(self) -> float:
        """From then on the state decides nothing that an empty one would not."""
        leases = [slots.until for slots in self.slots.values()]
        times = [self.arrival, self.tail, self.breaker.relevant_until, self.back_pressure.relevant_until]
        return max(*times, *leases) + _GRACE

    def sanitized(self, settings: HostSettings, now: float) -> "HostState":
        """Without times that no correct clock can have written.

        A lease is only cut: its consumer may be alive, and each refused start writes the cut lease.
        """
        latest = now + _LONGEST_LEASE
        slots = {
            name: each if each.until <= latest + SKEW else replace(each, until=latest)
            for name, each in self.slots.items()
        }
        return replace(
            self,
            breaker=self.breaker.sanitized(settings.breaker, now),
            back_pressure=self.back_pressure.sanitized(settings.longest_pause, now),
            tail=self.tail if self.tail <= now + settings.longest_wait + SKEW else now,
            slots=slots,
        )

    def closed_until(self, now: float) -> float:
        """Nothing starts before this time, which may have passed."""
        opens = self.breaker.until if self.breaker.phase(now) is CircuitPhase.OPEN else 0.0
        return max(opens, self.back_pressure.until)

    def is_troubled(self, now: float) -> bool:
        """Whether every start must be admitted, even without a limit."""
        return (
            self.breaker.phase(now) is not CircuitPhase.CLOSED
            or self.back_pressure.until > now
            or self.back_pressure.gap(now) > 0
        )

    def in_flight(self, now: float, *, but: str = "") -> int:
        """The attempts of all consumers whose lease is in force, except those of consumer `but`."""
        return sum(s.held for name, s in self.slots.items() if s.until > now and name != but)

    def with_slots(self, consumer: str, held: int, *, now: float, until: float) -> "HostState":
        """With the attempts that a consumer has under way now, and without leases that have ended."""
        slots = {name: s for name, s in self.slots.items() if s.until > now and name != consumer}
        if held:
            slots[consumer] = HeldSlots(held=held, until=until)
        return replace(self, slots=slots)

    def with_slot_each(self, names: Iterable[str], *, until: float) -> "HostState":
        """With one slot under each of these names."""
        one = HeldSlots(held=1, until=until)
        return replace(self, slots={**self.slots, **dict.fromkeys(names, one)})

    def without_slots(self, names: Collection[str]) -> "HostState":
        """Without the slots under these names."""
        return replace(self, slots={name: s for name, s in self.slots.items() if name not in names})

    def failed(self, settings: HostSettings, *, started: float, now: float) -> "HostState":
        """After the failure of an attempt begun at `started`: one too many in a row, or a probe."""
        if self.breaker.phase(now) is CircuitPhase.CLOSED:
            return replace(self, breaker=self.breaker.trip(settings.breaker, started=started, now=now))
        return replace(self, breaker=self.breaker.failed(settings.breaker, started=started, now=now))

    def answered(self, *, started: float, now: float) -> "HostState":
        """After an answer to an attempt begun at `started`."""
        return replace(self, breaker=self.breaker.succeeded(started=started, now=now))

    def throttled(
        self, settings: HostSettings, retry_after: float | None, *, started: float, now: float
    ) -> "HostState":
        """After an answer that asks us to slow down, for `retry_after` seconds if it says so."""
        back_pressure = self.back_pressure.throttled(
            started=started, now=now, retry_after=retry_after, longest=settings.longest_pause
        )
        return replace(self.answered(started=started, now=now), back_pressure=back_pressure)

    def with_mean(self, mean: float | None) -> "HostState":
        """With one consumer's mean duration of attempts merged into the shared one."""
        if mean is None:
            return self
        return replace(self, mean=mean if not self.mean else self.mean + _NEWEST * (mean - self.mean))


_STATE: Decoder[HostState] = Decoder(HostState)


def encode_state(state: HostState) -> bytes:
    """The state as JSON."""
    return encode(state)


def decode_state(encoded: bytes) -> HostState:
    """The inverse of `encode_state`; an unreadable state counts as empty and is overwritten."""
    try:
        return _STATE.decode(encoded)
    except ValueError:
        return HostState()
