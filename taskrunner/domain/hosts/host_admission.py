"""Host admission: which tasks may start at a host now, and until when the others wait. Pure decisions.

Times are seconds since 1970.
"""

from taskrunner.domain.hosts.circuit_breaker import CircuitPhase
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import Value, replace

# The relay publishes snoozed tasks twice a second; a shorter wait would only make work.
MIN_WAIT = 0.5
# A task that may start within this time is not snoozed: the way through store and broker takes as long.
SHORT_WAIT = 0.75
# Waiting tasks come back a little faster than they can start: a start that no task is there for is lost.
_EAGERNESS = 0.9
# The assumed duration before the first attempt has ended. Too short makes tasks wait once more, too long
# leaves the host idle.
_UNMEASURED = 0.1
_SHORTEST_STEP = 0.001
# Steps of this size (the golden ratio) spread any number of times evenly over a span.
_GOLDEN_RATIO = 0.6180339887498949
# How often to ask for a slot that another consumer may have freed.
_ASK_AGAIN = 0.25
# The reasons for waiting that users are shown.
CIRCUIT_OPEN, CIRCUIT_HALF_OPEN = "circuit open", "circuit half open"
THROTTLED, RATE, CONCURRENCY = "told to slow down", "rate limit", "concurrency limit"
SLOW = "slow, and its share of the workers is busy"


class AdmissionRequest(Value):
    """A consumer asks for `wanted` tasks; it has workers for `room` attempts and `held` under way.

    It can keep up to `keep` tasks that will start soon.
    """

    consumer: str
    wanted: int
    room: int
    held: int
    lease_until: float
    keep: int = 0


class HostAdmission(Value):
    """The answer, for the tasks in their order: the first `admitted` start, the last wait until `wait_until`.

    The consumer keeps those in between: they could start if it had room, or will start soon (`kept`). It
    asks for them again from `ask_again_at` on. `reason` is why the last ones wait.
    """

    admitted: int
    wait_until: tuple[float, ...] = ()
    reason: str = ""
    kept: int = 0
    ask_again_at: float = 0.0


def admit(
    state: HostState,
    limit: HostLimit | None,
    settings: HostSettings,
    request: AdmissionRequest,
    *,
    now: float,
    random: float,
) -> tuple[HostState, HostAdmission]:
    """Decide who may start at a host now; `random` is in [0, 1)."""
    closed_until = state.closed_until(now)
    if closed_until > now:
        reason = CIRCUIT_OPEN if state.breaker.phase(now) is CircuitPhase.OPEN else THROTTLED
        # Spread over as long again, so that they do not all come at the end of the pause.
        times = _spread(closed_until, closed_until - now, request.wanted, settings, now, random)
        return state, HostAdmission(admitted=0, wait_until=times, reason=reason)
    limiter = _rate_limiter(state, limit, now)
    if limiter is not None:
        state = replace(state, arrival=limiter.sanitized_arrival(state.arrival, now))
    available, reason = _available(state, limit, settings, limiter, request, now)
    admitted, refused = min(available, request.room), request.wanted - available
    if admitted:
        state = _started(state, limit, limiter, request, admitted, now)
    if not refused:
        return state, HostAdmission(admitted=admitted)
    if reason == CIRCUIT_HALF_OPEN:
        times = _spread(now, state.breaker.next_probe - now, refused, settings, now, random)
        return state, HostAdmission(admitted=admitted, wait_until=times, reason=reason)
    step = max(_step(state, limit, limiter), _SHORTEST_STEP)
    kept = min(refused, request.keep, int(SHORT_WAIT / step))
    # The tail always moves, so that the state is written: no refusal rests on a state that is out of date.
    tail = max(state.tail, now + kept * step) + _SHORTEST_STEP
    times, tail = assign_wait_times(tail, step, refused - kept, settings, now=now, random=random)
    ask_again_at = now + min(step, _ASK_AGAIN) if reason == CONCURRENCY else now
    if limiter is not None:
        ask_again_at = max(ask_again_at, limiter.next_start(state.arrival))
    admission = HostAdmission(
        admitted=admitted, wait_until=times, reason=reason, kept=kept, ask_again_at=ask_again_at
    )
    return replace(state, tail=tail), admission


def assign_wait_times(
    tail: float, step: float, waiting: int, settings: HostSettings, *, now: float, random: float
) -> tuple[tuple[float, ...], float]:
    """Times for tasks that wait behind `tail`, one each `step` seconds, and the new tail.

    A task that would wait for longer than `longest_wait` gets a random time before that, to ask again.
    """
    step = max(step * _EAGERNESS, _SHORTEST_STEP)
    tail = max(tail, now, now + MIN_WAIT - step)
    latest = now + settings.longest_wait
    times: list[float] = []
    for number in range(waiting):
        if tail + step > latest:
            half = settings.longest_wait / 2
            times += _spread(now + half, half, waiting - number, settings, now, random)
            break
        tail += step
        times.append(tail)
    return tuple(times), tail


def wait_reason(host: str, reason: str) -> str:
    """What the record of a task shows that waits for its host."""
    return f"{host}: {reason}"


def waits_for_host(waits_for: str | None, host: str) -> bool:
    """Whether a task with this `waits_for` in its record waits for this host."""
    return waits_for is not None and waits_for.startswith(wait_reason(host, ""))


def _rate_limiter(state: HostState, limit: HostLimit | None, now: float) -> RateLimiter | None:
    """The stricter of the configured rate and the back-pressure."""
    interval = 0.0 if limit is None else limit.interval
    gap = state.back_pressure.gap(now)
    if limit is not None and interval >= gap and interval:
        return RateLimiter(interval=interval, burst=limit.allowance)
    return RateLimiter(interval=gap) if gap else None


def _available(
    state: HostState,
    limit: HostLimit | None,
    settings: HostSettings,
    limiter: RateLimiter | None,
    request: AdmissionRequest,
    now: float,
) -> tuple[int, str]:
    """How many of the wanted tasks may start, and what stops the others."""
    bounds: list[tuple[int, str]] = []
    if state.breaker.phase(now) is CircuitPhase.HALF_OPEN:
        bounds.append((state.breaker.free_probes(settings.breaker, now), CIRCUIT_HALF_OPEN))
    if limit is not None and limit.concurrency is not None:
        taken = state.in_flight(now, but=request.consumer) + request.held
        bounds.append((max(0, limit.concurrency - taken), CONCURRENCY))
    if limiter is not None:
        reason = RATE if limit is not None and limiter.interval == limit.interval else THROTTLED
        bounds.append((limiter.available(state.arrival, now), reason))
    return min([*bounds, (request.wanted, "")])


def _started(
    state: HostState,
    limit: HostLimit | None,
    limiter: RateLimiter | None,
    request: AdmissionRequest,
    admitted: int,
    now: float,
) -> HostState:
    if state.breaker.phase(now) is CircuitPhase.HALF_OPEN:
        state = replace(state, breaker=state.breaker.probing(now))
    if limiter is not None:
        state = replace(state, arrival=limiter.arrival_after(state.arrival, now, admitted))
    if limit is not None and limit.concurrency is not None:
        state = state.with_slots(
            request.consumer, request.held + admitted, now=now, until=request.lease_until
        )
    return state


def _step(state: HostState, limit: HostLimit | None, limiter: RateLimiter | None) -> float:
    """Seconds between two starts while tasks are always waiting."""
    interval = 0.0 if limiter is None else limiter.interval
    if limit is None or limit.concurrency is None:
        return interval
    return max(interval, (state.mean or _UNMEASURED) / limit.concurrency)


def _spread(
    start: float, span: float, waiting: int, settings: HostSettings, now: float, random: float
) -> tuple[float, ...]:
    """Times from `start` on, evenly over `span` seconds, within the bounds of any wait."""
    earliest, latest = now + MIN_WAIT, now + settings.longest_wait
    span = max(span, MIN_WAIT)
    times = (start + span * ((random + number * _GOLDEN_RATIO) % 1.0) for number in range(waiting))
    return tuple(min(max(time, earliest), latest) for time in times)
