"""The queue watch reads the declared queues from the store, and declares them in the broker."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from taskrunner.brokers.base import Broker
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.executors.remote_lease import queue_of
from taskrunner.domain.process_events import QueuesChanged
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.runtime.service import Service
from taskrunner.stores.base import QueueStore

# Seconds between two reads: a change takes effect everywhere within this time.
INTERVAL = 1.0
# Reads between two attempts to declare what the broker refused: an operator may have done it meanwhile.
_TRY_REFUSED_EVERY = 10

Listener = Callable[[DeclaredQueues], None]


class QueueWatch(Service):
    """`declared` is what the last read found; subscribers hear of every change.

    The broker declares a queue before anybody hears of it. `broker` is None for a process that does not
    connect to it.
    """

    def __init__(
        self,
        store: QueueStore,
        broker: Broker | None,
        events: Events,
        task_settings: TaskSettingsSource,
        declared: DeclaredQueues,
        executors: ExecutorSource,
    ) -> None:
        super().__init__("queue watch", events)
        self._executors = executors
        self._remote: tuple[str, ...] = ()
        self._store = store
        self._broker = broker
        self._task_settings = task_settings
        self._listeners: list[Listener] = []
        self._lock = asyncio.Lock()
        self._turns = 0
        self._weights = declared.configured
        self._known = declared.names
        self.declared = declared

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with what is declared, now and after each change."""
        self._listeners.append(listener)
        listener(self.declared)

    def configure(self, weights: Mapping[str, int]) -> None:
        """Replace the queues of the configuration, with the next turn: nobody uses them undeclared."""
        self._weights = weights
        self.wake()

    async def declare(self) -> None:
        """Pass the queues to the broker before it connects, and to the task settings."""
        async with self._lock:
            await self._apply()

    async def declare_for_executors(self) -> None:
        """Declare the queues of new remote executors in the broker, before their first task."""
        async with self._lock:
            if self._remote_now() != self._remote:
                await self._apply()

    async def declare_new(self, name: str) -> str | None:
        """Declare a queue in the broker before it is stored; returns the broker's reason if it refuses.

        Raises `BrokerUnavailable`. If the queue is not stored afterwards, `declare` makes the broker
        forget it.
        """
        if self._broker is None:
            return None
        async with self._lock:
            await self._broker.declare((*self.declared.names, *self._remote_now(), name))
            return self._broker.refused_queues.get(name)

    async def turn(self) -> float:
        # Two turns at the same time could end with what the first of them read.
        async with self._lock:
            self._turns += 1
            stored = tuple(await self._store.queues())
            if stored != self.declared.stored or self._weights != self.declared.configured:
                self.declared.configure(self._weights)
                self.declared.set_stored(stored)
                await self._apply()
            elif self._has_news() or self._remote_now() != self._remote:
                await self._apply()
        return INTERVAL

    async def refresh(self) -> None:
        """Put a change of this process in force at once. If the read fails, the next turn finds it."""
        with suppress(OutsideError):
            await self.turn()

    def _has_news(self) -> bool:
        """Whether the broker refuses other queues than before, or may have changed its mind."""
        refused = self.declared.refused
        if self._broker is not None and self._broker.refused_queues != refused:
            return True
        return bool(refused) and self._turns % _TRY_REFUSED_EVERY == 0

    def _remote_now(self) -> tuple[str, ...]:
        """The queues of remote executors, which no consumer serves."""
        known = self._executors.known or {}
        return tuple(queue_of(each.name) for each in known.values() if each.kind is ExecutorKind.REMOTE)

    async def _apply(self) -> None:
        self._remote = self._remote_now()
        if self._broker is not None:
            with suppress(OutsideError):  # declared as soon as the broker is back
                await self._broker.declare((*self.declared.names, *self._remote))
            self.declared.refused = dict(self._broker.refused_queues)
        if self.declared.names != self._known:
            self._known = self.declared.names
            self._events.emit(QueuesChanged(queues=self._known))
        self._task_settings.declare(self.declared)
        for listener in self._listeners:
            listener(self.declared)
