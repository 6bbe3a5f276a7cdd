"""The executor watch reads the executors from the store, in every process that needs them."""

import math
from collections.abc import Awaitable, Callable

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import ExecutorStore

# Seconds between two reads: a change takes effect everywhere within this time.
INTERVAL = 1.0
# Seconds between two reads for executors that may be new: anybody may name one that does not exist.
_SPACING = 0.1


async def _nothing() -> None:
    """For a process that does nothing after a read."""


class ExecutorWatch(Service):
    """`source` has what the last read found; `after_read` is awaited then."""

    def __init__(
        self,
        store: ExecutorStore,
        events: Events,
        clock: Clock,
        source: ExecutorSource,
        after_read: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        super().__init__("executor watch", events)
        self._store = store
        self._clock = clock
        self._reads = SharedRead("the executors", self._read, clock)
        self._after_read = after_read
        self._looked_at = -math.inf
        self.source = source
        source.look_again = self.look_again

    async def turn(self) -> float:
        await self._reads.run()
        return INTERVAL

    async def refresh(self) -> None:
        """Put a change of this process in force at once."""
        await self._reads.refresh()

    async def look_again(self) -> bool:
        """Read them out of turn for a task whose executor may be new. False if that was done just before."""
        now = self._clock.monotonic()
        if now - self._looked_at < _SPACING:
            return False
        self._looked_at = now
        await self._reads.run()
        return True

    async def _read(self) -> None:
        self.source.set(await self._store.executors())
        await self._after_read()
