"""Endings: what a handler raises to decide itself what becomes of its task.

Any other exception means another attempt, as the retry policy has it.
"""

from taskrunner.domain.retry_policy import MAX_DELAY


class Ending(Exception):
    """`error` is a sentence for users, `delay` the seconds until the next attempt."""

    def __init__(self, error: str | None, delay: float | None = None) -> None:
        super().__init__(error or type(self).__name__)
        if delay is not None and not 0 <= delay <= MAX_DELAY:
            raise ValueError(f"the delay must be from 0 to {MAX_DELAY:.0f} seconds (30 days), got {delay!r}")
        self.error = error
        self.delay = delay


class Fail(Ending):
    """The task fails now; another attempt would not help. It becomes a dead letter, as every failed task."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Retry(Ending):
    """The attempt has failed. The next one starts `after` seconds from now, or when the policy says so."""

    def __init__(self, reason: str | None = None, *, after: float | None = None) -> None:
        super().__init__(reason, after)


class Snooze(Ending):
    """Not yet: the task starts again in `seconds`, and this attempt does not count."""

    def __init__(self, seconds: float, reason: str | None = None) -> None:
        super().__init__(reason, seconds)


class Cancel(Ending):
    """The task is no longer wanted: it ends as cancelled."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
