"""A bench for workers of gates: what was begun, what was reported."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.consumer.worker_pool import OnFinished, WorkerPool
from taskrunner.domain.events import Event, Events
from taskrunner.handlers.base import HandlerFactory
from tests.tools.attempts import make_running
from tests.tools.gate import GateKit
from tests.tools.waiting import PATIENCE

DEADLINE = PATIENCE


class Bench:
    """`pool` with gates for handlers, and all that came of them."""

    def __init__(
        self, make: Callable[[HandlerFactory, Events, OnFinished], WorkerPool], folder: Path
    ) -> None:
        self.gate = GateKit(folder)
        self.finished: asyncio.Queue[FinishedAttempt] = asyncio.Queue()
        self.told: list[Event] = []
        events = Events()
        events.subscribe(self.told.append)
        self.pool = make(self.gate, events, self.finished.put_nowait)

    @property
    def pids(self) -> list[int]:
        """Of the processes that are there."""
        return [process.pid for process in self.pool.processes if process.pid is not None]

    def submit(self, name: str, what: str = "", *, timeout: float = 30.0) -> ClaimedAttempt:
        running = make_running(name, url=f"http://localhost/{what}", timeout=timeout)
        self.pool.submit(running)
        return running

    async def begin(self, *names: str) -> None:
        """Wait until exactly these attempts were taken up by workers."""
        await self.until(lambda: self.gate.begun == set(names))

    async def outcome(self) -> FinishedAttempt:
        async with asyncio.timeout(DEADLINE):
            return await self.finished.get()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll with a deadline: threads and processes do not tell the loop."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
