"""Task times: how long tasks wait for their first attempt, and how long they take to their end, by queue."""

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import TaskSettled, TaskStarted
from taskrunner.domain.tasks.status import TERMINAL
from taskrunner.domain.tasks.task import Task
from taskrunner.monitor.histogram import WAIT_BUCKETS, Histograms

# Messages may name any queue.
MAX_QUEUES = 100


class TaskTimes:
    """Both run from the time at which a task was due first: its `run_at`, or else its creation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.waits = Histograms(WAIT_BUCKETS, most=MAX_QUEUES)
        self.totals = Histograms(WAIT_BUCKETS, most=MAX_QUEUES)

    def started(self, event: TaskStarted) -> None:
        # A later attempt waits for its delay, too.
        if event.attempt == 1:
            self.waits.observe((event.task.queue,), self._since_due(event.task))

    def settled(self, event: TaskSettled) -> None:
        if event.verdict.status in TERMINAL:
            self.totals.observe((event.task.queue,), self._since_due(event.task))

    def _since_due(self, task: Task) -> float:
        due = task.run_at or task.created_at
        # The clock of another machine may be ahead.
        return max(0.0, (self._clock.now() - due).total_seconds())
