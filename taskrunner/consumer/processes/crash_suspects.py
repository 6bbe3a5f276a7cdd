"""CrashSuspects: tasks that a worker process had when it died, one of which may have killed it.

Nobody can see whose fault a death was, so at first it is ours: the attempts do not count and run again at
once. A task that was there twice runs again at a random time, so that it parts from the tasks beside it. From
the third death on its attempts count, which brings a task that kills processes to its end.
"""

import random

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind

# Sidekiq's super_fetch also gives up on a job that was rescued three times.
COUNTED_FROM = 3
# Seconds over which the retries of the suspects of a second crash are spread.
SPREAD = 30.0
# Deaths are rare and each leaves a hundred ids at most; the oldest are forgotten first.
_MAX_SUSPECTS = 10_000


class CrashSuspects:
    """Counts deaths per task, in the memory of one consumer."""

    def __init__(self) -> None:
        self._deaths: dict[str, int] = {}

    def record_death(self, task_id: str, cause: str) -> Outcome:
        """The outcome of an attempt that a process had when it died."""
        deaths = self._deaths.pop(task_id, 0) + 1
        self._deaths[task_id] = deaths
        if len(self._deaths) > _MAX_SUSPECTS:
            del self._deaths[next(iter(self._deaths))]
        counted = deaths >= COUNTED_FROM
        note = f", as it had {deaths - 1} times before" if counted else "; this attempt does not count"
        return Outcome(
            kind=OutcomeKind.INTERRUPTED,
            error=f"the worker process ended while it had this task ({cause}){note}",
            retry_after=random.uniform(0.0, SPREAD) if deaths > 1 and not counted else None,
            counted=counted,
        )

    def clear(self, task_id: str) -> None:
        """The task has finished an attempt without a death."""
        self._deaths.pop(task_id, None)
