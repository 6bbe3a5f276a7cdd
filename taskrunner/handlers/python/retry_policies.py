"""Retry policies, as a handler declares them: how many attempts, and how long to wait between them."""

from dataclasses import dataclass

from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy

_DEFAULT = RetryPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Waits `base` seconds before each further attempt. `jitter` is the random share of a delay, 0 to 1.

    `attempts` is how often the task runs at most; None: as often as the configuration says.
    """

    attempts: int | None = None
    base: float = _DEFAULT.base
    jitter: float = _DEFAULT.jitter

    def policy(self) -> RetryPolicy:
        return RetryPolicy(strategy=Strategy.CONSTANT, base=self.base, cap=self.base, jitter=self.jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Waits `base` seconds after the first attempt, twice as long after the second, …, `cap` at most."""

    attempts: int | None = None
    base: float = _DEFAULT.base
    cap: float = _DEFAULT.cap
    jitter: float = _DEFAULT.jitter

    def policy(self) -> RetryPolicy:
        return RetryPolicy(strategy=Strategy.LINEAR, base=self.base, cap=self.cap, jitter=self.jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Waits `base` seconds after the first attempt, and each time twice as long, `cap` at most."""

    attempts: int | None = None
    base: float = _DEFAULT.base
    cap: float = _DEFAULT.cap
    jitter: float = _DEFAULT.jitter

    def policy(self) -> RetryPolicy:
        return RetryPolicy(strategy=Strategy.EXPONENTIAL, base=self.base, cap=self.cap, jitter=self.jitter)


Retries = Constant | Linear | Exponential
