"""The pause watch reads the pauses in force from the store, in every process."""

from collections.abc import Callable, Mapping
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.process_events import PausesChanged
from taskrunner.domain.queues.pauses import Pauses, with_disabled
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import OperatorStore

# Seconds between two reads: a pause takes effect everywhere within this time.
INTERVAL = 1.0


class PauseWatch(Service):
    """`current` is what the last read found, with disabled executors; subscribers hear of every change."""

    def __init__(self, store: OperatorStore, events: Events, clock: Clock, executors: ExecutorSource) -> None:
        super().__init__("pause watch", events)
        self._store = store
        self._executors = executors
        self._reads = SharedRead("the pauses", self._read, clock)
        self._listeners: list[Callable[[Pauses], None]] = []
        self.since: Mapping[str, datetime] = {}
        self.current = Pauses()

    def subscribe(self, listener: Callable[[Pauses], None]) -> None:
        """Call `listener` with what is in force, now and after each change."""
        self._listeners.append(listener)
        listener(self.current)

    def describe(self) -> dict[str, datetime]:
        """The paused scopes and since when, as `/stats` shows them."""
        return dict(sorted(self.since.items()))

    async def turn(self) -> float:
        await self._reads.run()
        return INTERVAL

    async def refresh(self) -> None:
        """Put a change of this process in force at once."""
        await self._reads.refresh()

    async def _read(self) -> None:
        known = self._executors.known or {}
        self.since = with_disabled(await self._store.pauses(), known.values())
        pauses = Pauses(self.since)
        if pauses.scopes != self.current.scopes:
            self.current = pauses
            self._events.emit(PausesChanged(scopes=tuple(sorted(pauses.scopes))))
            for listener in self._listeners:
                listener(pauses)
