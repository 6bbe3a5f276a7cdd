"""The seam to the workers: what the consumer and the supervisor ask of them, wherever they run."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from taskrunner.consumer.running import Finished, Running
from taskrunner.domain.events import Events, WorkerWrittenOff
from taskrunner.domain.outcome import Outcome, OutcomeKind

OnFinished = Callable[[Finished], None]

# The weight of the newest task in the running mean of task times.
_SMOOTHING = 0.05
# Tasks are claimed ahead of free workers for about this long: workers that began together also end together,
# and none of them should have to wait for a claim then.
_AHEAD = 0.05


class WorkerPool(ABC):
    """Between 0 and any number of workers; `on_finished` gets each attempt's outcome on the event loop.

    Everything here is called on the event loop. An attempt ends once: by its outcome, or by being given up.
    """

    def __init__(self, events: Events, on_finished: OnFinished) -> None:
        self._events = events
        self._on_finished = on_finished
        self._task_time: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._flying: dict[int, Running] = {}
        self._tickets = 0
        self.finished = 0

    @property
    @abstractmethod
    def total(self) -> int:
        """Workers that are there to stay."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process that the workers are in; None while there is none."""

    @property
    def trouble(self) -> str | None:
        """Why these workers cannot be relied on just now."""
        return None

    @property
    def in_flight(self) -> int:
        """Attempts that were submitted and have not ended."""
        return len(self._flying)

    @property
    def busy(self) -> int:
        return min(self.in_flight, self.total)

    @property
    def task_time(self) -> float | None:
        """Mean seconds of an attempt of late; None before the first has ended."""
        return self._task_time

    def describe(self) -> dict[str, Any]:
        """The workers as `/stats` shows them."""
        return {"total": self.total, "busy": self.busy, "task_time": self.task_time, "pid": self.pid}

    def room(self) -> int:
        """How many attempts may be claimed now: one per free worker, a few more where tasks are short."""
        ahead = 0
        if self._task_time is not None:
            ahead = min(self.total, int(self.total * _AHEAD / max(self._task_time, 1e-4)))
        return self.total + ahead - self.in_flight

    async def wait_idle(self) -> None:
        """Return once nothing is in flight."""
        await self._idle.wait()

    @abstractmethod
    async def start(self) -> None:
        """Called once, before the first attempt is submitted; `resize` may come earlier."""

    def submit(self, running: Running) -> None:
        """Hand an attempt to the next free worker."""
        self._tickets += 1
        running.ticket = self._tickets
        self._flying[running.ticket] = running
        self._idle.clear()
        self._hand_over(running)

    @abstractmethod
    def resize(self, target: int) -> None:
        """Start workers at once, or let as many leave as are too many, each when it is idle."""

    @abstractmethod
    async def withdraw(self) -> list[Running]:
        """Take back what no worker has begun."""

    @abstractmethod
    def check(self) -> None:
        """Replace what hangs; the supervisor calls it in each of its turns.

        The attempt of a worker that did not end by its deadline ends as a timeout.
        """

    def cancel(self, lost: Sequence[Running]) -> None:
        """Have attempts end as soon as they can."""
        for running in lost:
            running.attempting.cancelled = True

    def renew(self, kept: Sequence[Running], lease_ends: float) -> None:
        """The leases of these attempts end later now, by the monotonic clock."""
        for running in kept:
            running.lease_ends = lease_ends

    def interrupt(self) -> list[Running]:
        """Give up what is in flight, without waiting for the workers; their answers will be dropped."""
        given_up = list(self._flying.values())
        self.cancel(given_up)
        for running in given_up:
            self._conclude(running)
        return given_up

    @abstractmethod
    async def close(self) -> None:
        """Let every worker leave. Waits for none of them."""

    @abstractmethod
    def _hand_over(self, running: Running) -> None: ...

    def _conclude(self, running: Running) -> None:
        running.ended = True
        self.finished += 1
        del self._flying[running.ticket]
        if not self._flying:
            self._idle.set()

    def _end(self, running: Running, outcome: Outcome) -> None:
        self._conclude(running)
        self._on_finished(Finished(running, outcome))

    def _finish(self, running: Running, outcome: Outcome) -> None:
        """End an attempt by its own outcome; its time tells how long tasks take."""
        mean, elapsed = self._task_time, running.elapsed
        self._task_time = elapsed if mean is None else mean + _SMOOTHING * (elapsed - mean)
        self._end(running, outcome)

    def _write_off(self, worker: str, running: Running) -> None:
        task = running.attempting.task
        self._events.emit(WorkerWrittenOff(worker=worker, task_id=task.id, attempt=running.attempting.number))
        error = f"the worker did not end by its deadline of {task.timeout:g} s"
        self._end(running, Outcome(kind=OutcomeKind.TIMEOUT, error=error))
