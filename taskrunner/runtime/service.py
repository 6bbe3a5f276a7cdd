"""A service: a loop that can be started and stopped, and that survives faults."""

import asyncio
from abc import ABC, abstractmethod

from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events, LoopFailed

# The pause after a fault, so that a permanent fault does not keep a core busy.
FAULT_PAUSE = 1.0


class Service(ABC):
    """Runs `turn` until `stop`. A turn that raises emits an event, and the next turn follows after a pause.

    An `OutsideError` emits no event: the adapter that raised it has reported the outage.
    """

    def __init__(self, name: str, events: Events) -> None:
        self.name = name
        self._events = events
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stopping.clear()
        self._loop_task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Wait for the current turn, then end the loop. Safe to call twice."""
        self._stopping.set()
        self._wake.set()
        if self._loop_task is not None:
            await asyncio.wait([self._loop_task])
            self._loop_task = None

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def awake(self) -> bool:
        """Whether the next pause ends at once."""
        return self._wake.is_set()

    def wake(self) -> None:
        """End the current pause early."""
        self._wake.set()

    @abstractmethod
    async def turn(self) -> float:
        """Do the work that is there; returns the seconds to wait before the next turn."""

    async def _run(self) -> None:
        while not self.stopping:
            try:
                pause = await self.turn()
            except OutsideError:
                pause = FAULT_PAUSE
            except Exception as exc:  # noqa: BLE001 - the boundary of a service: report, pause, continue
                self._events.emit(LoopFailed(service=self.name, error=exc))
                pause = FAULT_PAUSE
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        if self.stopping:
            return
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self._wake.clear()
