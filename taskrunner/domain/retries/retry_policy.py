"""A retry policy: how long to wait between two attempts."""

from enum import StrEnum
from typing import Annotated

import msgspec

from taskrunner.domain.value import Value

# A month is the longest delay that a task or the configuration may ask for.
MAX_DELAY = 30 * 86_400.0
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY)]


class Strategy(StrEnum):
    """How the delay grows with the number of attempts that failed."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RetryPolicy(Value, omit_defaults=False):
    """`base` and `cap` are seconds; `jitter` is the random share of the delay, 0 to 1.

    `delays`, if not empty, replaces the strategy: the delays in order, the last one repeated. `cap` does not
    apply to them. A policy is written with all its fields: a stored task must not change its delays when a
    default changes.
    """

    strategy: Strategy = Strategy.EXPONENTIAL
    base: Seconds = 1.0
    cap: Seconds = 300.0
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    delays: tuple[Seconds, ...] = ()

    def delay(self, failed: int, random: float) -> float:
        """Seconds to wait after the `failed`-th failed attempt (1, 2, …); `random` is in [0, 1).

        Jitter only shortens, so that `cap` stays an upper bound.
        """
        return self._full(failed) * (1 - self.jitter * random)

    def _full(self, failed: int) -> float:
        if self.delays:
            return self.delays[min(failed, len(self.delays)) - 1]
        return min(self.cap, self._growth(failed))

    def _growth(self, failed: int) -> float:
        if self.strategy is Strategy.CONSTANT:
            return self.base
        if self.strategy is Strategy.LINEAR:
            return self.base * failed
        # 2**1024 overflows a float; a cap of 5 years is passed long before 2**40 seconds.
        return float(self.base * 2 ** min(failed - 1, 40))
