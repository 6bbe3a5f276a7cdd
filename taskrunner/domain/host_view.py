"""What people are shown of a host."""

from datetime import UTC, datetime
from enum import StrEnum

from taskrunner.domain.circuit_breaker import Phase
from taskrunner.domain.host_limit import AppliedLimit, HostLimits
from taskrunner.domain.host_state import HostState
from taskrunner.domain.value import Value


class HostCondition(StrEnum):
    """How things are with a host, in a word."""

    OK = "ok"
    LIMITED = "limited"  # tasks wait for it, since it gets as much as it may
    SLOWED = "slowed"  # it told us to slow down
    HALF_OPEN = "half_open"  # it failed too often, and probes are to find out more
    OPEN = "open"  # it failed too often, nothing starts there


class HostView(Value):
    """`until` is when the next attempt may start, None for now; `pace` seconds lie between two while slowed.

    `waiting_until` is the last moment given to a task that waits for a limit. `attempt_time` is in seconds.
    """

    host: str
    condition: HostCondition
    until: datetime | None
    pace: float | None
    in_flight: int | None
    waiting_until: datetime | None
    attempt_time: float | None
    applied: AppliedLimit | None


def view(host: str, state: HostState, book: HostLimits, now: datetime) -> HostView:
    """A host as it is at `now`. How many attempts it has is known only where they are limited."""
    moment, applied = now.timestamp(), book.find(host)
    counted = applied is not None and applied.limit.concurrency is not None
    closed_until = state.closed_until(moment)
    return HostView(
        host=host,
        condition=_standing(state, moment),
        until=_time(closed_until, moment),
        pace=state.slowdown.gap(moment) or None,
        in_flight=state.in_flight(moment) if counted else None,
        waiting_until=_time(state.tail, moment),
        attempt_time=state.mean or None,
        applied=applied,
    )


def _standing(state: HostState, now: float) -> HostCondition:
    phase = state.breaker.phase(now)
    if phase is not Phase.CLOSED:
        return HostCondition.OPEN if phase is Phase.OPEN else HostCondition.HALF_OPEN
    if state.is_troubled(now):
        return HostCondition.SLOWED
    return HostCondition.LIMITED if state.tail > now else HostCondition.OK


def _time(moment: float, now: float) -> datetime | None:
    return datetime.fromtimestamp(moment, UTC) if moment > now else None
