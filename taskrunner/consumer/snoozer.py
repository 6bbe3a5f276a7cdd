"""The snoozer puts paused tasks that were delivered back into the due index, and then acks their deliveries.

So a paused label holds no delivery back and takes no other task's place; the attempt was not begun and is not
counted.
"""

from datetime import timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.backlog import Waiting
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import DeliveryDropped, Events
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Store

# A delivery can overtake the mark that it was published; a mark that comes after the snooze would make the
# task look queued, and nobody would look at it for minutes. So each delivery waits for a whole turn first.
_TURN = 0.25
_IDLE = 60.0


class Snoozer(Service):
    """`hold` is the seconds until a snoozed task is looked at again."""

    def __init__(self, store: Store, broker: Broker, events: Events, clock: Clock, *, hold: float) -> None:
        super().__init__("snoozer", events)
        self._store = store
        self._broker = broker
        self._clock = clock
        self._hold = timedelta(seconds=hold)
        self._fresh: list[Waiting] = []
        self._ready: list[Waiting] = []

    def submit(self, waiting: Waiting) -> None:
        """Snooze a task soon; returns at once."""
        if not self._fresh and not self._ready:
            self.wake()
        self._fresh.append(waiting)

    def give_back(self) -> list[Waiting]:
        """What is not snoozed yet, for its deliveries to be released."""
        left, self._fresh, self._ready = [*self._ready, *self._fresh], [], []
        return left

    async def turn(self) -> float:
        batch = self._ready
        if batch:
            now = self._clock.now()
            refs = [AttemptRef(id=task_id, attempt=number) for task_id, number in (w.key for w in batch)]
            await self._store.snooze(refs, now=now, due=now + self._hold)
            self._broker.ack([waiting.delivery for waiting in batch])
            for ref in refs:
                self._events.emit(DeliveryDropped(task_id=ref.id, attempt=ref.attempt, reason="paused"))
        self._ready, self._fresh = self._fresh, []
        return _TURN if self._ready else _IDLE
