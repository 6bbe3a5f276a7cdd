"""ThreadPool: workers that are threads of this process, beside the event loop."""

import asyncio
import os
from collections import deque

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.worker_group import WorkerGroup
from taskrunner.consumer.worker_pool import OnFinished
from taskrunner.consumer.worker_threads import WorkerThreads
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.handlers.base import HandlerFactory


class ThreadPool(WorkerGroup):
    """The threads put their outcomes into an outbox, which the event loop empties."""

    def __init__(self, factory: HandlerFactory, events: Events) -> None:
        super().__init__(events)
        self._factory = factory
        self._threads: WorkerThreads[ClaimedAttempt] = WorkerThreads(factory.make_handler, self._on_outcome)
        self._outbox: deque[tuple[ClaimedAttempt, Outcome]] = deque()
        self._woken = False
        self._target = 0
        self._started = False
        self._loop = asyncio.get_running_loop()

    @property
    def total(self) -> int:
        return self._threads.total if self._started else self._target

    @property
    def busy(self) -> int:
        return min(self.in_flight, self._threads.present)

    @property
    def pid(self) -> int:
        return os.getpid()

    async def start(self, on_finished: OnFinished) -> None:
        await super().start(on_finished)
        self._factory.start()
        self._started = True
        self._threads.resize(self._target)

    def adopt(self, factory: HandlerFactory) -> None:
        self._factory.adopt(factory)

    def resize(self, target: int) -> None:
        self._target = target
        if self._started:
            self._threads.resize(target)

    async def withdraw(self) -> list[ClaimedAttempt]:
        taken = self._threads.withdraw()
        for attempt in taken:
            self._remove(attempt)
        return taken

    def check(self) -> None:
        for worker, attempt in self._threads.write_off_overdue():
            self._write_off(worker, attempt)

    def interrupt(self) -> list[ClaimedAttempt]:
        self._empty_outbox()
        return super().interrupt()

    async def close(self) -> None:
        self.resize(0)
        self._factory.stop()

    def _hand_over(self, attempt: ClaimedAttempt) -> None:
        self._threads.put(attempt)

    def _on_outcome(self, attempt: ClaimedAttempt, outcome: Outcome) -> None:
        """Called in a worker's thread."""
        self._outbox.append((attempt, outcome))
        if not self._woken:
            # Reset before the outbox is read: a wake too many is cheap, a missing one would hang an attempt.
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._empty_outbox)
            except RuntimeError:
                # The loop is closed: the process is ending and nobody is left to take the outcome.
                return

    def _empty_outbox(self) -> None:
        self._woken = False
        while self._outbox:
            attempt, outcome = self._outbox.popleft()
            if not attempt.ended:
                self._finish(attempt, outcome)
