"""WorkerGroup: what thread pools and worker processes have in common."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.worker_pool import OnFinished, ProcessInfo, WorkerPool
from taskrunner.domain.events import Events, WorkerWrittenOff
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind

# The weight of the newest attempt in the running mean of attempt times.
_SMOOTHING = 0.05
# Tasks are claimed ahead of free workers for about this many seconds: workers that began together also end
# together, and none should wait for a claim then.
_AHEAD = 0.05
# A shortage is reported for this many seconds after the last attempt that met it.
_SHORTAGE_TOLD = 60.0
# The most that are claimed ahead for each worker, where tasks take less than half of that.
_MOST_AHEAD = 2


class WorkerGroup(WorkerPool):
    """The workers of one process. Numbers its attempts by tickets and ends each of them once."""

    _on_finished: OnFinished

    def __init__(self, events: Events) -> None:
        self._events = events
        self._task_time: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._by_ticket: dict[int, ClaimedAttempt] = {}
        self._last_ticket = 0
        self.finished = 0
        self._shortage: tuple[float, str] | None = None

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
        met = self._shortage
        return met[1] if met is not None and time.monotonic() < met[0] + _SHORTAGE_TOLD else None

    @property
    def in_flight(self) -> int:
        return len(self._by_ticket)

    @property
    def busy(self) -> int:
        return min(self.in_flight, self.total)

    def under_way(self) -> Iterable[ClaimedAttempt]:
        # Workers take attempts in the order of their tickets, which is that of the dictionary.
        return islice(self._by_ticket.values(), self.total)

    @property
    def task_time(self) -> float | None:
        return self._task_time

    def room(self) -> int:
        ahead = 0
        if self._task_time is not None:
            ahead = min(_MOST_AHEAD * self.total, int(self.total * _AHEAD / max(self._task_time, 1e-4)))
        return self.total + ahead - self.in_flight

    async def start(self, on_finished: OnFinished) -> None:
        self._on_finished = on_finished

    async def wait_idle(self) -> None:
        await self._idle.wait()

    def submit(self, attempt: ClaimedAttempt) -> None:
        self._last_ticket += 1
        attempt.ticket = self._last_ticket
        self._by_ticket[attempt.ticket] = attempt
        self._idle.clear()
        self._hand_over(attempt)

    def interrupt(self) -> list[ClaimedAttempt]:
        attempts = list(self._by_ticket.values())
        self.cancel(attempts)
        for attempt in attempts:
            self._remove(attempt)
        return attempts

    @abstractmethod
    def _hand_over(self, attempt: ClaimedAttempt) -> None: ...

    def _remove(self, attempt: ClaimedAttempt) -> None:
        attempt.ended = True
        self.finished += 1
        del self._by_ticket[attempt.ticket]
        if not self._by_ticket:
            self._idle.set()

    def _end(self, attempt: ClaimedAttempt, outcome: Outcome) -> None:
        self._remove(attempt)
        attempt.outcome = outcome
        self._on_finished(attempt)

    def _finish(self, attempt: ClaimedAttempt, outcome: Outcome) -> None:
        """End an attempt by the outcome that its handler returned."""
        if outcome.shortage:
            self._shortage = (time.monotonic(), outcome.error or "")
        mean, elapsed = self._task_time, attempt.elapsed
        self._task_time = elapsed if mean is None else mean + _SMOOTHING * (elapsed - mean)
        self._end(attempt, outcome)

    def _write_off(self, worker: str, attempt: ClaimedAttempt) -> None:
        task = attempt.task
        self._events.emit(WorkerWrittenOff(worker=worker, task_id=task.id, attempt=attempt.number))
        error = f"the worker did not end by its deadline of {task.timeout:g} s"
        self._end(attempt, Outcome(kind=OutcomeKind.TIMEOUT, error=error))
