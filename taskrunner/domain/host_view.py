"""What people are shown of a host."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from taskrunner.domain.breaker import Phase
from taskrunner.domain.host_limit import LimitBook, Ruling
from taskrunner.domain.host_state import HostState


class Standing(StrEnum):
    """How things are with a host, in a word."""

    OK = "ok"
    LIMITED = "limited"  # tasks wait for it, since it gets as much as it may
    SLOWED = "slowed"  # it told us to slow down
    HALF_OPEN = "half_open"  # it failed too often, and probes are to find out more
    OPEN = "open"  # it failed too often, nothing starts there


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """`until` is when the next attempt may start, None for now; `pace` seconds lie between two while slowed.

    `waiting_until` is the last moment given to a task that waits for a limit. `attempt_time` is in seconds.
    """

    host: str
    standing: Standing
    until: datetime | None
    pace: float | None
    in_flight: int | None
    waiting_until: datetime | None
    attempt_time: float | None
    ruling: Ruling | None


def view(host: str, state: HostState, book: LimitBook, now: datetime) -> HostView:
    """A host as it is at `now`. How many attempts it has is known only where they are limited."""
    moment, ruling = now.timestamp(), book.find(host)
    counted = ruling is not None and ruling.limit.concurrency is not None
    closed_until = state.closed_until(moment)
    return HostView(
        host=host,
        standing=_standing(state, moment),
        until=_time(closed_until, moment),
        pace=state.slowdown.gap(moment) or None,
        in_flight=state.in_flight(moment) if counted else None,
        waiting_until=_time(state.tail, moment),
        attempt_time=state.mean or None,
        ruling=ruling,
    )


def _standing(state: HostState, now: float) -> Standing:
    phase = state.breaker.phase(now)
    if phase is not Phase.CLOSED:
        return Standing.OPEN if phase is Phase.OPEN else Standing.HALF_OPEN
    if state.is_troubled(now):
        return Standing.SLOWED
    return Standing.LIMITED if state.tail > now else Standing.OK


def _time(moment: float, now: float) -> datetime | None:
    return datetime.fromtimestamp(moment, UTC) if moment > now else None
