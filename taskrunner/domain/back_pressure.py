"""The slowdown of a host that said "not so fast": a pause, then starts at a distance that shrinks by itself.

Each answer of the kind doubles the distance, each quiet stretch of `RECOVERY` seconds halves it. So it needs
no write to recover, and a host without limits finds its own.
"""

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value, replace

RECOVERY = 10.0
FIRST_GAP, FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0, 60.0
_TOP = 8.0


class BackPressure(Value):
    """`since` is the last answer that was heeded, `until` the pause's end, `level` how far it has come."""

    since: float = 0.0
    until: float = 0.0
    level: float = 0.0

    def throttled(self, *, started: float, now: float, wish: float | None, longest: float) -> "BackPressure":
        """What follows from an answer to an attempt begun at `started`; `wish` is its Retry-After in seconds.

        Of those that had started before we slowed down, only the wish counts.
        """
        wished = None if wish is None else now + min(wish, longest)
        if started <= self.since:
            return BackPressure(since=self.since, until=max(self.until, wished or 0.0), level=self.level)
        level = min(self.level_at(now) + 1.0, _TOP)
        pause = min(FIRST_PAUSE * 2 ** (level - 1), LONGEST_PAUSE, longest)
        return BackPressure(since=now, until=max(self.until, wished or now + pause), level=level)

    def level_at(self, now: float) -> float:
        """What is left of the level."""
        return max(0.0, self.level - max(0.0, now - self.until) / RECOVERY)

    def gap(self, now: float) -> float:
        """Seconds between two starts, 0 for no such limit."""
        level = self.level_at(now)
        return FIRST_GAP * 2 ** (level - 1) if level > 0 else 0.0

    def believed(self, longest: float, now: float) -> "BackPressure":
        """Without what no clock that is right can have written: a pause like that is over."""
        return replace(
            self,
            since=self.since if self.since <= now + SKEW else 0.0,
            until=self.until if self.until <= now + longest + SKEW else now,
        )

    @property
    def lives_until(self) -> float:
        """From then on it is as good as a new one."""
        return self.until + self.level * RECOVERY
