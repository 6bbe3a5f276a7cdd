"""The snoozer puts delivered tasks that must not start yet back into the due index, and then acks them.

So a paused label or a slow host holds no delivery back and takes no other task's place; the attempt was not
begun and is not counted. One that the store has no record of is adopted first, as by a claim.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.adoption import record_of
from taskrunner.consumer.backlog import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import DeliveryDropped, Events, TaskAdopted, TasksSnoozed
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AcceptAnswer, Snooze, Store

PAUSED = "paused"
_BATCH = 1000
_IDLE = 60.0


@dataclass(slots=True, eq=False)
class PendingSnooze:
    """A delivery to be snoozed until `due` (None: for the usual time), and why."""

    waiting: WaitingDelivery
    why: str
    due: datetime | None = None


class Snoozer(Service):
    """`hold` is the seconds until a snoozed task is looked at again that has no time of its own.

    A delivery may overtake the mark that it was published; that one finds the task snoozed, and does nothing.
    """

    def __init__(self, store: Store, broker: Broker, events: Events, clock: Clock, *, hold: float) -> None:
        super().__init__("snoozer", events)
        self._store = store
        self._broker = broker
        self._clock = clock
        self._hold = hold
        self._waiting: list[PendingSnooze] = []

    def submit(self, pending: PendingSnooze) -> None:
        """Snooze a task soon; returns at once."""
        if not self._waiting:
            self.wake()
        self._waiting.append(pending)

    def give_back(self) -> list[WaitingDelivery]:
        """What is not snoozed yet, for its deliveries to be released."""
        left, self._waiting = self._waiting, []
        return [pending.waiting for pending in left]

    async def turn(self) -> float:
        batch = self._waiting[:_BATCH]
        if not batch:
            return _IDLE
        try:
            await self._put_off(batch)
        except OutsideError:
            raise
        except Exception:
            await self._put_off_apart(batch)
            raise
        return 0.0 if self._waiting else _IDLE

    async def _put_off(self, batch: list[PendingSnooze]) -> None:
        now = self._clock.now()
        answers = await self._store.snooze([self._snooze(pending, now) for pending in batch], now=now)
        strays = [pending for pending, waits in zip(batch, answers, strict=True) if not waits]
        if strays:
            await self._adopt(strays, now)
        done = set(batch)
        self._waiting = [pending for pending in self._waiting if pending not in done]
        self._broker.ack([pending.waiting.delivery for pending in batch])
        self._tell(batch)

    async def _put_off_apart(self, batch: list[PendingSnooze]) -> None:
        """Snooze each by itself after a fault that nobody expected, which may be about one of them only.

        That one is tried again after the pause that follows a fault, and holds up nobody until then.
        """
        for pending in batch:
            try:
                await self._put_off([pending])
            except Exception:  # noqa: BLE001 - told by whoever called us, since the first was the same
                self._waiting.sort(key=lambda each: each is pending)

    async def _adopt(self, strays: list[PendingSnooze], now: datetime) -> None:
        """Make the records that the store has lost; a task that it knows waits for no such attempt, and is
        left alone.
        """
        records = [record_of(pending.waiting, now=now, hold=self._hold) for pending in strays]
        accepted = await self._store.accept(records)
        adopted = [
            pending
            for pending, answer in zip(strays, accepted, strict=True)
            if answer.answer is AcceptAnswer.CREATED
        ]
        if adopted:
            await self._store.snooze([self._snooze(pending, now) for pending in adopted], now=now)
        for pending in adopted:
            task = pending.waiting.envelope.task
            self._events.emit(TaskAdopted(task_id=task.id, queue=task.priority))

    def _snooze(self, pending: PendingSnooze, now: datetime) -> Snooze:
        task_id, number = pending.waiting.key
        due = now + timedelta(seconds=self._hold) if pending.due is None else pending.due
        return Snooze(id=task_id, attempt=number, due=due, waits_for=pending.why)

    def _tell(self, batch: list[PendingSnooze]) -> None:
        for reason, count in Counter(pending.why for pending in batch if pending.why != PAUSED).items():
            self._events.emit(TasksSnoozed(count=count, reason=reason))
        for pending in batch:
            if pending.why == PAUSED:
                task_id, number = pending.waiting.key
                self._events.emit(DeliveryDropped(task_id=task_id, attempt=number, reason=PAUSED))
