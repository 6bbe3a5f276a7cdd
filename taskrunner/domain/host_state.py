"""The state of a host, as all consumers share it, and who may start there now.

Each change is a pure function from one state to the next; the store writes it if nobody else was faster.
Times are seconds since 1970 by the clock of whoever writes. A clock may be wrong, so a moment further ahead
than any of its kind can be is not believed: cut to the furthest, anew at each look, it would never come.
"""

from collections.abc import Mapping

from taskrunner.domain.back_pressure import BackPressure
from taskrunner.domain.circuit_breaker import CircuitBreaker, Phase
from taskrunner.domain.clock import SKEW
from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import Value, field, replace

# A snoozed task is published by a relay that looks twice a second; sooner would only make work.
FLOOR = 0.5
# They come back a little faster than they could start, since what is not there in time is lost to the host.
_EAGERNESS = 0.9
# Before the first attempt has ended it is taken to last this long: who comes back too early waits once more,
# who comes too late leaves the host idle.
_UNMEASURED = 0.1
_SHORTEST_STEP = 0.001
# Steps of this size (the golden ratio) spread any number of moments evenly over a span.
_SPREAD = 0.6180339887498949
_GRACE = 1.0
# Whose turn comes within this time is not snoozed: the way through the store and the broker takes as long.
NEAR = 0.75
# How often to ask for a place that another consumer may have left.
_ASK_AGAIN = 0.25
# Why a task waits, as people are told.
CIRCUIT_OPEN, PROBED = "circuit open", "circuit half open"
SLOWED, RATE, CONCURRENCY = "told to slow down", "rate limit", "concurrency limit"
_NEWEST = 0.3
# The longest that can be configured.
_LONGEST_LEASE = 3600.0


class Slots(Value):
    """How many attempts a consumer has under way at a host; what it does not renew is free at `until`."""

    held: int
    until: float


class HostState(Value):
    """`arrival` is the pacing's, `tail` the last moment that was promised to a task that waits.

    `mean` is how long attempts take, in seconds, 0 before any has ended. `slots` go by consumer: each
    writes how many it has, not how they change, so that no count is ever wrong for long.
    """

    breaker: CircuitBreaker = CircuitBreaker()
    slowdown: BackPressure = BackPressure()
    arrival: float = 0.0
    tail: float = 0.0
    mean: float = 0.0
    slots: Mapping[str, Slots] = field(default_factory=dict)

    @property
    def lives_until(self) -> float:
        """From then on it is as good as none."""
        leases = [slots.until for slots in self.slots.values()]
        parts = [self.arrival, self.tail, self.breaker.lives_until, self.slowdown.lives_until, *leases]
        return max(parts) + _GRACE

    def believed(self, settings: HostSettings, now: float) -> "HostState":
        """Without what no clock that is right can have written. A lease is only cut: who has the places may
        live, and each start that is refused writes the cut one.
        """
        latest = now + _LONGEST_LEASE
        slots = {
            name: each if each.until <= latest + SKEW else replace(each, until=latest)
            for name, each in self.slots.items()
        }
        return replace(
            self,
            breaker=self.breaker.believed(settings.breaker, now),
            slowdown=self.slowdown.believed(settings.longest_pause, now),
            tail=self.tail if self.tail <= now + settings.longest_wait + SKEW else now,
            slots=slots,
        )

    def closed_until(self, now: float) -> float:
        """Nothing starts before this moment, which may have passed."""
        opens = self.breaker.until if self.breaker.phase(now) is Phase.OPEN else 0.0
        return max(opens, self.slowdown.until)

    def is_troubled(self, now: float) -> bool:
        """Whether a host without limits, too, has to be asked for."""
        return (
            self.breaker.phase(now) is not Phase.CLOSED
            or self.slowdown.until > now
            or self.slowdown.gap(now) > 0
        )

    def in_flight(self, now: float, *, but: str = "") -> int:
        """The attempts of all consumers that live."""
        return sum(s.held for name, s in self.slots.items() if s.until > now and name != but)

    def holding(self, consumer: str, held: int, *, now: float, until: float) -> "HostState":
        """What a consumer has under way from now on; leases that are over go."""
        slots = {name: s for name, s in self.slots.items() if s.until > now and name != consumer}
        if held:
            slots[consumer] = Slots(held=held, until=until)
        return replace(self, slots=slots)

    def failed(self, settings: HostSettings, *, started: float, now: float) -> "HostState":
        """An attempt begun at `started` failed: one too many in a row, or a probe."""
        if self.breaker.phase(now) is Phase.CLOSED:
            return replace(self, breaker=self.breaker.trip(settings.breaker, started=started, now=now))
        return replace(self, breaker=self.breaker.failed(settings.breaker, started=started, now=now))

    def answered(self, *, started: float, now: float) -> "HostState":
        """An attempt begun at `started` was answered."""
        return replace(self, breaker=self.breaker.succeeded(started=started, now=now))

    def throttled(
        self, settings: HostSettings, wish: float | None, *, started: float, now: float
    ) -> "HostState":
        """An attempt begun at `started` was told to slow down, for `wish` seconds if that was said.

        That, too, is an answer.
        """
        longest = settings.longest_pause
        slowdown = self.slowdown.throttled(started=started, now=now, wish=wish, longest=longest)
        return replace(self.answered(started=started, now=now), slowdown=slowdown)

    def measured(self, mean: float | None) -> "HostState":
        """What one consumer knows of how long attempts take goes into what all know."""
        if mean is None:
            return self
        return replace(self, mean=mean if not self.mean else self.mean + _NEWEST * (mean - self.mean))


class Asking(Value):
    """A consumer with `wanted` tasks for a host and room for `room` attempts, that has `held` under way.

    It can keep `keep` tasks at hand that will start soon.
    """

    consumer: str
    wanted: int
    room: int
    held: int
    lease_until: float
    keep: int = 0


class Admission(Value):
    """What becomes of those tasks, in their order: `admitted` start, the last are to wait until `waits`.

    Those in between could start if the consumer had room, or are the `kept` that will soon: from `again` on
    it is worth asking for them. `why` is the reason of those that wait.
    """

    admitted: int
    waits: tuple[float, ...] = ()
    why: str = ""
    kept: int = 0
    again: float = 0.0


def admit(
    state: HostState,
    limit: HostLimit | None,
    settings: HostSettings,
    ask: Asking,
    *,
    now: float,
    random: float,
) -> tuple[HostState, Admission]:
    """Who may start at a host now; `random` is in [0, 1)."""
    closed_until = state.closed_until(now)
    if closed_until > now:
        why = CIRCUIT_OPEN if state.breaker.phase(now) is Phase.OPEN else SLOWED
        # As long again as the pause, so that they do not all come at its end.
        waits = _spread(closed_until, closed_until - now, ask.wanted, settings, now, random)
        return state, Admission(admitted=0, waits=waits, why=why)
    pace = _pace(state, limit, now)
    if pace is not None:
        state = replace(state, arrival=pace.believed(state.arrival, now))
    free, why = _free(state, limit, settings, pace, ask, now)
    admitted, refused = min(free, ask.room), ask.wanted - free
    if admitted:
        state = _started(state, limit, pace, ask, admitted, now)
    if not refused:
        return state, Admission(admitted=admitted)
    if why == PROBED:
        waits = _spread(now, state.breaker.next_probe - now, refused, settings, now, random)
        return state, Admission(admitted=admitted, waits=waits, why=why)
    step = max(_step(state, limit, pace), _SHORTEST_STEP)
    kept = min(refused, ask.keep, int(NEAR / step))
    # It moves in any case, so that the state is written: no refusal is from one that others have left.
    tail = max(state.tail, now + kept * step) + _SHORTEST_STEP
    waits, tail = queue_up(tail, step, refused - kept, settings, now=now, random=random)
    again = now + min(step, _ASK_AGAIN) if why == CONCURRENCY else now
    if pace is not None:
        again = max(again, pace.next(state.arrival))
    admission = Admission(admitted=admitted, waits=waits, why=why, kept=kept, again=again)
    return replace(state, tail=tail), admission


def queue_up(
    tail: float, step: float, waiting: int, settings: HostSettings, *, now: float, random: float
) -> tuple[tuple[float, ...], float]:
    """Moments for tasks that wait behind `tail`, one each `step` seconds, and the new tail.

    Who would wait longer than `longest_wait` is given some moment before that, to ask again then.
    """
    step = max(step * _EAGERNESS, _SHORTEST_STEP)
    tail = max(tail, now, now + FLOOR - step)
    most = now + settings.longest_wait
    moments: list[float] = []
    for number in range(waiting):
        if tail + step > most:
            half = settings.longest_wait / 2
            moments += _spread(now + half, half, waiting - number, settings, now, random)
            break
        tail += step
        moments.append(tail)
    return tuple(moments), tail


def wait_reason(host: str, why: str) -> str:
    """What the record of a task says that waits for its host."""
    return f"{host}: {why}"


def waits_for_host(reason: str | None, host: str) -> bool:
    """Whether that is what a task waits for."""
    return reason is not None and reason.startswith(wait_reason(host, ""))


def encode_state(state: HostState) -> bytes:
    """As JSON, without what says nothing."""
    return encode(state)


def decode_state(encoded: bytes) -> HostState:
    """The inverse of `encode_state`; what nobody can read is as good as nothing, and is written over."""
    try:
        return _STATE.decode(encoded)
    except ValueError:
        return HostState()


_STATE: Decoder[HostState] = Decoder(HostState)


def _pace(state: HostState, limit: HostLimit | None, now: float) -> RateLimiter | None:
    interval = 0.0 if limit is None else limit.interval
    gap = state.slowdown.gap(now)
    if limit is not None and interval >= gap and interval:
        return RateLimiter(interval=interval, burst=limit.allowance)
    return RateLimiter(interval=gap) if gap else None


def _free(
    state: HostState,
    limit: HostLimit | None,
    settings: HostSettings,
    pace: RateLimiter | None,
    ask: Asking,
    now: float,
) -> tuple[int, str]:
    """How many of those who want to may start, and what keeps the others from it."""
    bounds: list[tuple[int, str]] = []
    if state.breaker.phase(now) is Phase.HALF_OPEN:
        bounds.append((state.breaker.free_probes(settings.breaker, now), PROBED))
    if limit is not None and limit.concurrency is not None:
        taken = state.in_flight(now, but=ask.consumer) + ask.held
        bounds.append((max(0, limit.concurrency - taken), CONCURRENCY))
    if pace is not None:
        why = RATE if limit is not None and pace.interval == limit.interval else SLOWED
        bounds.append((pace.free(state.arrival, now), why))
    return min([*bounds, (ask.wanted, "")])


def _started(
    state: HostState,
    limit: HostLimit | None,
    pace: RateLimiter | None,
    ask: Asking,
    admitted: int,
    now: float,
) -> HostState:
    if state.breaker.phase(now) is Phase.HALF_OPEN:
        state = replace(state, breaker=state.breaker.probing(now))
    if pace is not None:
        state = replace(state, arrival=pace.after(state.arrival, now, admitted))
    if limit is not None and limit.concurrency is not None:
        state = state.holding(ask.consumer, ask.held + admitted, now=now, until=ask.lease_until)
    return state


def _step(state: HostState, limit: HostLimit | None, pace: RateLimiter | None) -> float:
    """Seconds between two starts when there are always tasks that want to."""
    by_pace = 0.0 if pace is None else pace.interval
    if limit is None or limit.concurrency is None:
        return by_pace
    return max(by_pace, (state.mean or _UNMEASURED) / limit.concurrency)


def _spread(
    start: float, span: float, waiting: int, settings: HostSettings, now: float, random: float
) -> tuple[float, ...]:
    """Moments from `start` on, evenly over `span` seconds, within the bounds of any wait."""
    least, most = now + FLOOR, now + settings.longest_wait
    span = max(span, FLOOR)
    places = (start + span * ((random + number * _SPREAD) % 1.0) for number in range(waiting))
    return tuple(min(max(place, least), most) for place in places)
