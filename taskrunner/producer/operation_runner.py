"""The operation runner: runs the operations that no other process runs, a step of each in turn."""

from contextlib import suppress

from taskrunner.domain.errors import OutsideError
from taskrunner.producer.operation_run import MOST_RUNS, MOST_TAKEN, OperationRun, OperationRuns
from taskrunner.runtime.service import FAULT_PAUSE, Service

# Seconds between two looks for operations.
_LOOK = 0.5


class OperationRunner(Service):
    """A slow operation keeps no other one waiting."""

    def __init__(self, runs: OperationRuns) -> None:
        super().__init__("operation runner", runs.events)
        self._runs = runs
        self._taken: dict[str, OperationRun] = {}
        self._look_at = 0.0

    async def turn(self) -> float:
        clock = self._runs.clock
        if clock.monotonic() >= self._look_at:
            await self._look()
            self._look_at = clock.monotonic() + _LOOK
        pauses = [self._look_at - clock.monotonic()]
        for operation_id, run in list(self._taken.items()):
            try:
                pause = await run.advance()
            except OutsideError:
                # The adapter has told; what fails for one operation must not keep others waiting.
                pause = FAULT_PAUSE
            if pause is None:
                del self._taken[operation_id]
            else:
                pauses.append(pause)
        return max(0.0, min(pauses))

    async def stop(self) -> None:
        """Another process goes on with what is not done."""
        await super().stop()
        while self._taken:
            _, run = self._taken.popitem()
            with suppress(OutsideError):
                await run.release()

    async def _look(self) -> None:
        """Take what is free, and notice what was aborted: a slow operation saves its next step late."""
        for stored in await self._runs.store.live_operations(limit=MOST_RUNS):
            run = self._taken.get(stored.id)
            if run is not None:
                run.notice(stored)
            elif len(self._taken) < MOST_TAKEN and (taken := await self._runs.take(stored)) is not None:
                self._taken[stored.id] = taken
