"""A workshop: the workers of one process, by what they have in hand."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence

from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.consumer.worker_pool import OnFinished, ProcessInfo, WorkerPool
from taskrunner.domain.events import Events, WorkerWrittenOff
from taskrunner.domain.outcome import Outcome, OutcomeKind

# The weight of the newest task in the running mean of task times.
_SMOOTHING = 0.05
# Tasks are claimed ahead of free workers for about this long: workers that began together also end together,
# and none of them should have to wait for a claim then.
_AHEAD = 0.05
# Where tasks take less than half of that, so many for each worker at the most.
_MOST_AHEAD = 2


class WorkerGroup(WorkerPool):
    """Knows each attempt that is in flight by its ticket; `on_finished` gets its outcome, once."""

    def __init__(self, events: Events, on_finished: OnFinished) -> None:
        self._events = events
        self._on_finished = on_finished
        self._task_time: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._flying: dict[int, ClaimedAttempt] = {}
        self._tickets = 0
        self.finished = 0

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process that the workers are in; None while there is none."""

    @property
    def losses(self) -> int:
        return 0

    @property
    def last_loss(self) -> str | None:
        return None

    @property
    def processes(self) -> Sequence[ProcessInfo]:
        return (self,)

    @property
    def trouble(self) -> str | None:
        return None

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def busy(self) -> int:
        return min(self.in_flight, self.total)

    @property
    def task_time(self) -> float | None:
        return self._task_time

    def room(self) -> int:
        ahead = 0
        if self._task_time is not None:
            ahead = min(_MOST_AHEAD * self.total, int(self.total * _AHEAD / max(self._task_time, 1e-4)))
        return self.total + ahead - self.in_flight

    async def wait_idle(self) -> None:
        await self._idle.wait()

    def submit(self, running: ClaimedAttempt) -> None:
        self._tickets += 1
        running.ticket = self._tickets
        self._flying[running.ticket] = running
        self._idle.clear()
        self._hand_over(running)

    def interrupt(self) -> list[ClaimedAttempt]:
        given_up = list(self._flying.values())
        self.cancel(given_up)
        for running in given_up:
            self._conclude(running)
        return given_up

    @abstractmethod
    def _hand_over(self, running: ClaimedAttempt) -> None: ...

    def _conclude(self, running: ClaimedAttempt) -> None:
        running.ended = True
        self.finished += 1
        del self._flying[running.ticket]
        if not self._flying:
            self._idle.set()

    def _end(self, running: ClaimedAttempt, outcome: Outcome) -> None:
        self._conclude(running)
        self._on_finished(FinishedAttempt(running, outcome))

    def _finish(self, running: ClaimedAttempt, outcome: Outcome) -> None:
        """End an attempt by its own outcome; its time tells how long tasks take."""
        mean, elapsed = self._task_time, running.elapsed
        self._task_time = elapsed if mean is None else mean + _SMOOTHING * (elapsed - mean)
        self._end(running, outcome)

    def _write_off(self, worker: str, running: ClaimedAttempt) -> None:
        task = running.context.task
        self._events.emit(WorkerWrittenOff(worker=worker, task_id=task.id, attempt=running.context.number))
        error = f"the worker did not end by its deadline of {task.timeout:g} s"
        self._end(running, Outcome(kind=OutcomeKind.TIMEOUT, error=error))
