"""The rate limiter: a token bucket kept as one number, the theoretical arrival time of the next start (GCRA).

Source: ITU-T I.371, annex A.1 (the virtual scheduling algorithm). All times are seconds.
"""

import math

from taskrunner.domain.clock import SKEW
from taskrunner.domain.value import Value

# Rounding errors must not cost a whole start.
_SLACK = 1e-9


class RateLimiter(Value):
    """One start per `interval` seconds, and `burst` at once after a rest."""

    interval: float
    burst: int = 1

    @property
    def tolerance(self) -> float:
        """How far ahead of the clock the arrival time is after a full burst."""
        return self.interval * self.burst

    def sanitized_arrival(self, arrival: float, now: float) -> float:
        """`arrival`, unless an earlier, slower limit or a wrong clock has written it."""
        latest = now + self.tolerance
        return arrival if arrival <= latest + SKEW else latest

    def available(self, arrival: float, now: float) -> int:
        """How many may start now."""
        ahead = max(arrival - now, 0.0)
        return max(0, math.floor((self.tolerance - ahead) / self.interval + _SLACK))

    def next_start(self, arrival: float) -> float:
        """The time at which one more may start."""
        return arrival - (self.burst - 1) * self.interval

    def arrival_after(self, arrival: float, now: float, starts: int) -> float:
        """The theoretical arrival time once `starts` more have started."""
        return max(arrival, now) + starts * self.interval if starts else arrival
