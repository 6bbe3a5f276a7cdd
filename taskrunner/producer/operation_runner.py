"""The operation runner: runs the operations that no other process runs, a step of each in turn."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import LoopFailed
from taskrunner.producer.operation_run import MOST_RUNS, MOST_TAKEN, OperationRun, OperationRuns
from taskrunner.runtime.service import FAULT_PAUSE, Service
from taskrunner.stores.base import StoredOperation

T = TypeVar("T")

# Seconds between two looks for operations.
_LOOK = 0.5


class OperationRunner(Service):
    """A slow operation keeps no other one waiting, nor does one that fails."""

    def __init__(self, runs: OperationRuns) -> None:
        super().__init__("operation runner", runs.events)
        self._runs = runs
        self._taken: dict[str, OperationRun] = {}
        # By operation: the monotonic time until which it pauses after a fault.
        self._paused: dict[str, float] = {}
        self._look_at = 0.0

    async def turn(self) -> float:
        clock = self._runs.clock
        if clock.monotonic() >= self._look_at:
            pause = await self._look()
            self._look_at = clock.monotonic() + pause
        pauses = [self._look_at - clock.monotonic()]
        for operation_id, run in list(self._taken.items()):
            if self.stopping:
                break
            if self._pauses(operation_id):
                continue
            following = await self._kept_apart(operation_id, run.advance(), FAULT_PAUSE)
            if following is None:
                del self._taken[operation_id]
            else:
                pauses.append(following)
        return max(0.0, min(pauses))

    async def stop(self) -> None:
        """Another process goes on with what is not done."""
        await super().stop()
        while self._taken:
            operation_id, run = self._taken.popitem()
            await self._kept_apart(operation_id, run.release(), None)

    async def _look(self) -> float:
        """Take operations that nobody runs, and notice aborted ones, whose next step may be saved late.

        Returns the seconds until the next look.
        """
        try:
            live = await self._runs.store.live_operations(limit=MOST_RUNS)
        except OutsideError:
            raise
        except Exception as exc:  # noqa: BLE001 - one that cannot be read must not stop those that were taken
            self._events.emit(LoopFailed(service=self.name, error=exc))
            return FAULT_PAUSE
        live_ids = {stored.id for stored in live}
        self._paused = {each: until for each, until in self._paused.items() if each in live_ids}
        for stored in live:
            run = self._taken.get(stored.id)
            if run is not None:
                await self._kept_apart(stored.id, self._notice(run, stored), None)
            elif len(self._taken) < MOST_TAKEN and not self._pauses(stored.id):
                await self._kept_apart(stored.id, self._take(stored), None)
        return _LOOK

    async def _notice(self, run: OperationRun, stored: StoredOperation) -> None:
        run.notice(stored)

    async def _take(self, stored: StoredOperation) -> None:
        taken = await self._runs.take(stored)
        if taken is not None:
            self._taken[stored.id] = taken

    def _pauses(self, operation_id: str) -> bool:
        return self._runs.clock.monotonic() < self._paused.get(operation_id, 0.0)

    async def _kept_apart(self, operation_id: str, call: Coroutine[Any, Any, T], otherwise: T) -> T:
        """A failure of one operation must not hold up the others.

        The adapter has already reported an outage.
        """
        try:
            return await call
        except OutsideError:
            pass
        except Exception as exc:  # noqa: BLE001 - the boundary of an operation
            self._events.emit(LoopFailed(service=f"operation {operation_id}", error=exc))
        self._paused[operation_id] = self._runs.clock.monotonic() + FAULT_PAUSE
        return otherwise
