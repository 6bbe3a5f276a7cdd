"""The circuit breaker of a host.

| phase | attempts | becomes |
|---|---|---|
| closed | all | open, when too many failed in a row |
| open | none | half-open, when its cooldown is over |
| half-open | a few probes | closed, when one succeeds; open for twice as long, when one fails |

Late outcomes do no harm: only attempts that started in the current phase count.
"""

from enum import StrEnum

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value, replace

# Seconds after which probes without an outcome (their consumer died) are given up.
PROBE_TIMEOUT = 30.0
# Seconds after which an open breaker that no task asks for is forgotten.
_FORGET_OPEN = 3600.0
# Seconds for which a closed breaker remembers when it closed: attempts from before have ended by then.
_FORGET_CLOSED = 60.0


class CircuitPhase(StrEnum):
    """The phases of the table above."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerSettings(Value):
    """`failures` in a row open the circuit (0: never), for `cooldown` seconds at first, `longest` at most."""

    failures: int = 100
    cooldown: float = 5.0
    longest: float = 300.0
    probes: int = 2


class CircuitBreaker(Value):
    """`since` is when the phase began; while not closed, nothing starts before `until`.

    Half-open is not stored: an open breaker is half-open from `until` on. The next probes start at
    `next_probe`.
    """

    since: float = 0.0
    until: float = 0.0
    cooldown: float = 0.0
    next_probe: float = 0.0

    def phase(self, now: float) -> CircuitPhase:
        if not self.until:
            return CircuitPhase.CLOSED
        return CircuitPhase.OPEN if now < self.until else CircuitPhase.HALF_OPEN

    @property
    def relevant_until(self) -> float:
        """From then on the breaker is equivalent to a new one."""
        if self.until:
            return self.until + _FORGET_OPEN
        return self.since + _FORGET_CLOSED if self.since else 0.0

    def trip(self, settings: BreakerSettings, *, started: float, now: float) -> "CircuitBreaker":
        """After too many failures in a row; the last of these attempts began at `started`."""
        if self.phase(now) is not CircuitPhase.CLOSED or started < self.since:
            return self
        return self._opened(min(settings.cooldown, settings.longest), now)

    def failed(self, settings: BreakerSettings, *, started: float, now: float) -> "CircuitBreaker":
        """After a failed attempt, which counts if it was a probe."""
        if not self.until or started < self.until:
            return self
        return self._opened(min(2 * self.cooldown, settings.longest), now)

    def succeeded(self, *, started: float, now: float) -> "CircuitBreaker":
        """After an attempt that succeeded, which counts if it was a probe."""
        if not self.until or started < self.until:
            return self
        return CircuitBreaker(since=now)

    def free_probes(self, settings: BreakerSettings, now: float) -> int:
        """How many probes may start now, in the half-open phase."""
        return settings.probes if now >= self.next_probe else 0

    def probing(self, now: float) -> "CircuitBreaker":
        """After probes have started."""
        return replace(self, next_probe=now + PROBE_TIMEOUT)

    def sanitized(self, settings: BreakerSettings, now: float) -> "CircuitBreaker":
        """Without times that no correct clock can have written; a probe then finds out."""
        is_impossible = self.until > now + min(self.cooldown, settings.longest) + SKEW
        is_probing = self.next_probe <= now + PROBE_TIMEOUT + SKEW
        return replace(
            self,
            since=self.since if self.since <= now + SKEW else 0.0,
            until=now if is_impossible else self.until,
            next_probe=self.next_probe if is_probing else 0.0,
        )

    @staticmethod
    def _opened(cooldown: float, now: float) -> "CircuitBreaker":
        return CircuitBreaker(since=now, until=now + cooldown, cooldown=cooldown)
