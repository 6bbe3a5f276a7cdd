"""The host view: what users are shown of a host."""

from datetime import UTC, datetime
from enum import StrEnum

from taskrunner.domain.hosts.circuit_breaker import CircuitPhase
from taskrunner.domain.hosts.host_limit import AppliedLimit, HostLimits
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.value import Value


class HostCondition(StrEnum):
    """The state of a host in one word."""

    OK = "ok"
    LIMITED = "limited"  # tasks wait, since the host gets as much as its limit allows
    SLOWED = "slowed"  # the host told us to slow down
    HALF_OPEN = "half_open"  # the host failed too often, and probes test it
    OPEN = "open"  # the host failed too often, and nothing starts


class HostView(Value):
    """`until` is when the next attempt may start, None for now; `pace` is the gap in seconds while slowed.

    `waiting_until` is the latest start time given to a waiting task. `attempt_time` is in seconds.
    """

    host: str
    condition: HostCondition
    until: datetime | None
    pace: float | None
    in_flight: int | None
    waiting_until: datetime | None
    attempt_time: float | None
    applied: AppliedLimit | None


def host_view(host: str, state: HostState, limits: HostLimits, now: datetime) -> HostView:
    """A host at `now`. The number of attempts in flight is known only under a concurrency limit."""
    timestamp, applied = now.timestamp(), limits.find(host)
    is_counted = applied is not None and applied.limit.concurrency is not None
    return HostView(
        host=host,
        condition=_condition(state, timestamp),
        until=_future(state.closed_until(timestamp), timestamp),
        pace=state.back_pressure.gap(timestamp) or None,
        in_flight=state.in_flight(timestamp) if is_counted else None,
        waiting_until=_future(state.tail, timestamp),
        attempt_time=state.mean or None,
        applied=applied,
    )


def _condition(state: HostState, now: float) -> HostCondition:
    phase = state.breaker.phase(now)
    if phase is not CircuitPhase.CLOSED:
        return HostCondition.OPEN if phase is CircuitPhase.OPEN else HostCondition.HALF_OPEN
    if state.is_troubled(now):
        return HostCondition.SLOWED
    return HostCondition.LIMITED if state.tail > now else HostCondition.OK


def _future(time: float, now: float) -> datetime | None:
    return datetime.fromtimestamp(time, UTC) if time > now else None
