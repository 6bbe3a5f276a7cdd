"""The circuit breaker of a host: closed, open for a time, then half-open until a probe tells how things are.

| phase | attempts | becomes |
|---|---|---|
| closed | all | open, when too many failed in a row |
| open | none | half-open, when its time is over |
| half-open | a few probes | closed, when one succeeds; open for twice as long, when one fails |

Late news harm nothing: only attempts that started in the phase that they tell of count.
"""

from enum import StrEnum

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value, replace

# Probes that nobody hears of again (their consumer died) are given up after this long.
PROBE_PATIENCE = 30.0
# An open breaker that nobody asks any more is forgotten after this long.
_MEMORY = 3600.0
# How long it is remembered when a breaker was closed: the failures of before are to be over by then.
_AFTER = 60.0


class Phase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerSettings(Value):
    """`failures` in a row open it, 0 for never; it stays so for `cooldown` at first, `longest` at most."""

    failures: int = 100
    cooldown: float = 5.0
    longest: float = 300.0
    probes: int = 2


class CircuitBreaker(Value):
    """`since` is when the phase was entered; while not closed, nothing starts before `until`.

    Half-open is not written: it is what an open one is from `until` on. The next probes go at `next_probe`.
    """

    since: float = 0.0
    until: float = 0.0
    cooldown: float = 0.0
    next_probe: float = 0.0

    def phase(self, now: float) -> Phase:
        if not self.until:
            return Phase.CLOSED
        return Phase.OPEN if now < self.until else Phase.HALF_OPEN

    @property
    def lives_until(self) -> float:
        """From then on it is as good as a new one."""
        if self.until:
            return self.until + _MEMORY
        return self.since + _AFTER if self.since else 0.0

    def trip(self, settings: BreakerSettings, *, started: float, now: float) -> "CircuitBreaker":
        """Too many attempts failed in a row, the last of them begun at `started`."""
        if self.phase(now) is not Phase.CLOSED or started < self.since:
            return self
        return self._opened(min(settings.cooldown, settings.longest), now)

    def failed(self, settings: BreakerSettings, *, started: float, now: float) -> "CircuitBreaker":
        """An attempt failed; it counts if it was a probe."""
        if not self.until or started < self.until:
            return self
        return self._opened(min(2 * self.cooldown, settings.longest), now)

    def succeeded(self, *, started: float, now: float) -> "CircuitBreaker":
        """An attempt succeeded; it counts if it was a probe."""
        if not self.until or started < self.until:
            return self
        return CircuitBreaker(since=now)

    def free_probes(self, settings: BreakerSettings, now: float) -> int:
        """How many probes may start now, in the half-open phase."""
        return settings.probes if now >= self.next_probe else 0

    def probing(self, now: float) -> "CircuitBreaker":
        """Probes have started."""
        return replace(self, next_probe=now + PROBE_PATIENCE)

    def believed(self, settings: BreakerSettings, now: float) -> "CircuitBreaker":
        """Without what no clock that is right can have written: then probes tell how things are."""
        is_over = self.until > now + min(self.cooldown, settings.longest) + SKEW
        is_probed = self.next_probe <= now + PROBE_PATIENCE + SKEW
        return replace(
            self,
            since=self.since if self.since <= now + SKEW else 0.0,
            until=now if is_over else self.until,
            next_probe=self.next_probe if is_probed else 0.0,
        )

    @staticmethod
    def _opened(cooldown: float, now: float) -> "CircuitBreaker":
        return CircuitBreaker(since=now, until=now + cooldown, cooldown=cooldown)
