"""Endings: exceptions by which a handler decides what happens to its task.

Any other exception is a failed attempt, and the retry policy decides.
"""

from taskrunner.domain.retries.retry_policy import MAX_DELAY


class Ending(Exception):
    """`error` is a sentence for users, or has one as its text; `delay` is the seconds to wait."""

    # For a subclass that does not call our `__init__`.
    error: str | None = None
    delay: float | None = None

    def __init__(self, error: object, delay: float | None = None) -> None:
        # People give the exception that they have caught.
        self.error = None if error is None else str(error)
        super().__init__(self.error or type(self).__name__)
        self.delay = checked_delay(delay)


class Fail(Ending):
    """The task fails now; another attempt would not help. It becomes a dead letter, as every failed task."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)


class Retry(Ending):
    """The attempt has failed. The next one starts `after` seconds from now, or when the policy says so."""

    def __init__(self, reason: object = None, *, after: float | None = None) -> None:
        super().__init__(reason, after)


class Snooze(Ending):
    """Not yet: the task starts again in `seconds`, and this attempt does not count."""

    def __init__(self, seconds: float, reason: object = None) -> None:
        super().__init__(reason, seconds)


class Cancel(Ending):
    """The task is no longer wanted: it ends as cancelled."""

    def __init__(self, reason: object = None) -> None:
        super().__init__(reason)


def checked_delay(delay: float | None) -> float | None:
    """Raises `ValueError` and `TypeError`."""
    if delay is not None and not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"the delay must be from 0 to {MAX_DELAY:.0f} seconds (30 days), got {delay!r}")
    return None if delay is None else float(delay)
