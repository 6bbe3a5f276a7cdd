"""CrashSuspects: tasks that were in the hands of a worker process when it died, one of which may have killed
it.

Whose fault a death was cannot be seen, so at first it is ours: the attempts do not count and run again at
once. A task that was there twice runs again at a time of its own, so that it parts from those that were
beside it. From the third time on its attempts count, which brings a task that kills to its end.
"""

import random

from taskrunner.domain.outcome import Outcome, OutcomeKind

# Sidekiq's super_fetch, too, gives up on a job that was rescued three times.
COUNTED_FROM = 3
# Seconds over which the suspects of a second death are spread.
SPREAD = 30.0
# Deaths are rare and each leaves a hundred names at the most; the oldest are forgotten first.
_REMEMBERED = 10_000


class CrashSuspects:
    """Counts deaths per task, in the memory of one consumer."""

    def __init__(self) -> None:
        self._deaths: dict[str, int] = {}

    def blame(self, task_id: str, cause: str) -> Outcome:
        """The outcome of an attempt that was in the hands of a process that died."""
        deaths = self._deaths.pop(task_id, 0) + 1
        self._deaths[task_id] = deaths
        if len(self._deaths) > _REMEMBERED:
            del self._deaths[next(iter(self._deaths))]
        error = f"the worker process ended while it had this task ({cause})"
        if deaths >= COUNTED_FROM:
            return Outcome(
                kind=OutcomeKind.INTERRUPTED, error=f"{error}, as it had {deaths - 1} times before"
            )
        return Outcome(
            kind=OutcomeKind.INTERRUPTED,
            error=f"{error}; this attempt does not count",
            retry_after=random.uniform(0.0, SPREAD) if deaths > 1 else None,
            counted=False,
        )

    def clear(self, task_id: str) -> None:
        """The task has ended an attempt by itself."""
        self._deaths.pop(task_id, None)
