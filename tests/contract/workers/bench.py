"""A bench for worker pools: handlers that wait for a gate, and the outcomes that came."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.events import Event, Events
from taskrunner.handlers.base import HandlerFactory
from tests.tools.attempts import make_claimed
from tests.tools.gate import GateHandlerFactory
from tests.tools.waiting import PATIENCE, eventually

DEADLINE = PATIENCE


class Bench:
    """`pool` has handlers that wait for `gate`; its outcomes go to `finished`."""

    def __init__(self, make: Callable[[HandlerFactory, Events], WorkerPool], folder: Path) -> None:
        self.gate = GateHandlerFactory(folder)
        self.finished: asyncio.Queue[ClaimedAttempt] = asyncio.Queue()
        self.told: list[Event] = []
        events = Events()
        events.subscribe(self.told.append)
        self.pool = make(self.gate, events)

    @property
    def pids(self) -> list[int]:
        """The pids of the live processes."""
        return [process.pid for process in self.pool.processes if process.pid is not None]

    async def start(self) -> None:
        await self.pool.start(self.finished.put_nowait)

    def submit(self, name: str, what: str = "", *, timeout: float = 30.0) -> ClaimedAttempt:
        attempt = make_claimed(name, url=f"http://localhost/{what}", timeout=timeout)
        self.pool.submit(attempt)
        return attempt

    async def begin(self, *names: str) -> None:
        """Wait until workers have begun exactly these attempts."""
        await eventually(lambda: self.gate.begun == set(names))

    async def ended(self) -> ClaimedAttempt:
        async with asyncio.timeout(DEADLINE):
            return await self.finished.get()
