"""Pacing: a token bucket kept as one number, the theoretical arrival time of the next start (GCRA).

Source: ITU-T I.371, annex A.1 (the virtual scheduling algorithm). All times are seconds.
"""

import math

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value

# What rounding may cost is never a whole start.
_SLACK = 1e-9


class RateLimiter(Value):
    """One start in `interval` seconds, and `burst` at once after a rest."""

    interval: float
    burst: int = 1

    @property
    def tolerance(self) -> float:
        """So far ahead of the clock is an arrival after a burst."""
        return self.interval * self.burst

    def believed(self, arrival: float, now: float) -> float:
        """An arrival by this pace, and not by one of before, or by a clock that is wrong."""
        latest = now + self.tolerance
        return arrival if arrival <= latest + SKEW else latest

    def free(self, arrival: float, now: float) -> int:
        """How many may start now, when the next one is theoretically expected at `arrival`."""
        ahead = max(arrival - now, 0.0)
        return max(0, math.floor((self.tolerance - ahead) / self.interval + _SLACK))

    def next(self, arrival: float) -> float:
        """From when on one more may start."""
        return arrival - (self.burst - 1) * self.interval

    def after(self, arrival: float, now: float, starts: int) -> float:
        """The theoretical arrival time once `starts` more have started."""
        return max(arrival, now) + starts * self.interval if starts else arrival
