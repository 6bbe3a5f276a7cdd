"""ProcessPool: several worker processes, so that the workers have more than one interpreter lock.

An attempt stays with the process that it was given to. When one process dies, the others go on.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.processes.crash_suspects import CrashSuspects
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.consumer.worker_pool import OnFinished, ProcessInfo, WorkerPool
from taskrunner.domain.events import Events
from taskrunner.handlers.base import HandlerFactory


class ProcessPool(WorkerPool):
    """Deals the workers out to `size` child processes as evenly as possible."""

    def __init__(self, size: int, factory: HandlerFactory, events: Events) -> None:
        # One count for all, since each attempt of a task may be in another process.
        suspects = CrashSuspects()
        self._processes = [WorkerProcess(factory, events, suspects) for _ in range(size)]

    @property
    def processes(self) -> Sequence[ProcessInfo]:
        return self._processes

    @property
    def total(self) -> int:
        return sum(process.total for process in self._processes)

    @property
    def busy(self) -> int:
        return sum(process.busy for process in self._processes)

    @property
    def in_flight(self) -> int:
        return sum(process.in_flight for process in self._processes)

    def under_way(self) -> Iterable[ClaimedAttempt]:
        return chain.from_iterable(process.under_way() for process in self._processes)

    @property
    def task_time(self) -> float | None:
        times = [process.task_time for process in self._processes if process.task_time is not None]
        return sum(times) / len(times) if times else None

    @property
    def trouble(self) -> str | None:
        return next((process.trouble for process in self._processes if process.trouble is not None), None)

    def room(self) -> int:
        return sum(max(0, process.room()) for process in self._processes)

    async def wait_idle(self) -> None:
        await asyncio.gather(*(process.wait_idle() for process in self._processes))

    async def start(self, on_finished: OnFinished) -> None:
        for process in self._processes:
            await process.start(on_finished)

    def adopt(self, factory: HandlerFactory) -> None:
        for process in self._processes:
            process.adopt(factory)

    def submit(self, attempt: ClaimedAttempt) -> None:
        min(self._processes, key=_full_and_load).submit(attempt)

    def resize(self, target: int) -> None:
        share, rest = divmod(target, len(self._processes))
        for place, process in enumerate(self._processes):
            process.resize(share + (place < rest))

    async def withdraw(self) -> list[ClaimedAttempt]:
        taken = await asyncio.gather(*(process.withdraw() for process in self._processes))
        return list(chain.from_iterable(taken))

    def check(self) -> None:
        for process in self._processes:
            process.check()

    def cancel(self, attempts: Sequence[ClaimedAttempt]) -> None:
        for process in self._processes:
            process.cancel(attempts)

    def renew(self, attempts: Sequence[ClaimedAttempt], lease_ends: float) -> None:
        for process in self._processes:
            process.renew(attempts, lease_ends)

    def interrupt(self) -> list[ClaimedAttempt]:
        return list(chain.from_iterable(process.interrupt() for process in self._processes))

    async def close(self) -> None:
        await asyncio.gather(*(process.close() for process in self._processes))


def _full_and_load(process: WorkerProcess) -> tuple[bool, float]:
    """A process without room comes last, however small its load: its workers may be busy for long."""
    return process.room() <= 0, process.load
