"""The pool: workers that are threads of this process, beside the event loop."""

import asyncio
import os
from collections import deque

from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.worker_group import WorkerGroup
from taskrunner.consumer.worker_pool import OnFinished
from taskrunner.consumer.worker_threads import WorkerThreads
from taskrunner.domain.events import Events
from taskrunner.domain.outcome import Outcome
from taskrunner.handlers.base import HandlerFactory


class ThreadPool(WorkerGroup):
    """WorkerThreads that leave their outcomes in an outbox, which the event loop empties."""

    def __init__(self, factory: HandlerFactory, events: Events, on_finished: OnFinished) -> None:
        super().__init__(events, on_finished)
        self._factory = factory
        self._threads: WorkerThreads[ClaimedAttempt] = WorkerThreads(factory.make_handler, self._answer)
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

    async def start(self) -> None:
        self._factory.start()
        self._started = True
        self._threads.resize(self._target)

    def resize(self, target: int) -> None:
        self._target = target
        if self._started:
            self._threads.resize(target)

    async def withdraw(self) -> list[ClaimedAttempt]:
        taken = self._threads.withdraw()
        for running in taken:
            self._conclude(running)
        return taken

    def check(self) -> None:
        for worker, running in self._threads.write_off_overdue():
            self._write_off(worker, running)

    def interrupt(self) -> list[ClaimedAttempt]:
        self._collect()
        return super().interrupt()

    async def close(self) -> None:
        self.resize(0)
        self._factory.stop()

    def _hand_over(self, running: ClaimedAttempt) -> None:
        self._threads.put(running)

    def _answer(self, running: ClaimedAttempt, outcome: Outcome) -> None:
        """Called in a worker's thread."""
        self._outbox.append((running, outcome))
        if not self._woken:
            # Reset before the outbox is read: a wake too many is cheap, one too few would hang an attempt.
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                # The loop is closed: the process is ending and nobody is left to hear the answer.
                return

    def _collect(self) -> None:
        self._woken = False
        while self._outbox:
            running, outcome = self._outbox.popleft()
            if not running.ended:
                self._finish(running, outcome)
