"""Back-pressure of a host that answered "slow down": a pause, then a minimum gap between starts that shrinks.

Each such answer doubles the gap, and each `RECOVERY` seconds without one halve it. So recovery needs no
write, and a host without configured limits finds its own.
"""

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value, replace

RECOVERY = 10.0
FIRST_GAP, FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0, 60.0
_MAX_LEVEL = 8.0


class BackPressure(Value):
    """`since`: the last answer that counted; `until`: the pause's end; `level`: the number of doublings."""

    since: float = 0.0
    until: float = 0.0
    level: float = 0.0

    def throttled(
        self, *, started: float, now: float, retry_after: float | None, longest: float
    ) -> "BackPressure":
        """After an answer to an attempt begun at `started`; `retry_after` is its Retry-After in seconds.

        If the attempt started before we slowed down, only the Retry-After counts.
        """
        asked_until = None if retry_after is None else now + min(retry_after, longest)
        if started <= self.since:
            return BackPressure(since=self.since, until=max(self.until, asked_until or 0.0), level=self.level)
        level = min(self.level_at(now) + 1.0, _MAX_LEVEL)
        pause = min(FIRST_PAUSE * 2 ** (level - 1), LONGEST_PAUSE, longest)
        return BackPressure(since=now, until=max(self.until, asked_until or now + pause), level=level)

    def level_at(self, now: float) -> float:
        """The rest of the level at `now`."""
        return max(0.0, self.level - max(0.0, now - self.until) / RECOVERY)

    def gap(self, now: float) -> float:
        """The minimum seconds between two starts, 0 for none."""
        level = self.level_at(now)
        return FIRST_GAP * 2 ** (level - 1) if level > 0 else 0.0

    def sanitized(self, longest: float, now: float) -> "BackPressure":
        """Without times that no correct clock can have written: such a pause counts as over."""
        return replace(
            self,
            since=self.since if self.since <= now + SKEW else 0.0,
            until=self.until if self.until <= now + longest + SKEW else now,
        )

    @property
    def relevant_until(self) -> float:
        """From then on it is equivalent to no back-pressure."""
        return self.until + self.level * RECOVERY
