"""Snoozer puts delivered tasks that must not start yet back into the due index, then acks their deliveries.

So a paused label or a slow host holds no delivery back and takes no other task's place. The attempt has not
begun and is not counted.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import DeliveryDropped, Events, TaskAdopted, TasksSnoozed
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.queues.pauses import Pauses
from taskrunner.domain.tasks.unserved import UNSERVED_PAUSE, unserved
from taskrunner.domain.value import replace
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AcceptAnswer, SnoozeRequest, Store

PAUSED = "paused"
_BATCH = 1000
_IDLE = 60.0
# How often we look whether a host has turned out to be fast, and how many tasks of each come back then.
_FAST_CHECK, _MOST_PUT_OFF = 0.25, 1000


@dataclass(slots=True, eq=False)
class PendingSnooze:
    """A delivery to be snoozed until `due` (None: for `hold` seconds), and why.

    It comes back as soon as its `slow_host`, if it waits for one, is slow no more.
    """

    waiting: WaitingDelivery
    why: str
    due: datetime | None = None
    slow_host: HostStats | None = None


class Snoozer(Service):
    """Owns the `pauses` in force. `hold` is the seconds for which a paused task is snoozed.

    Executors named in `handlers` have a handler here, and so have requests.

    A delivery may overtake the mark that its task was published; that mark then changes nothing.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        *,
        hold: float,
        handlers: frozenset[str],
        executors: ExecutorSource,
    ) -> None:
        super().__init__("snoozer", events)
        self._handlers = handlers
        self._executors = executors
        self._store = store
        self._broker = broker
        self._clock = clock
        self._hold = hold
        self._pending: list[PendingSnooze] = []
        # The last of each slow host. Only `turn` changes it: a wake follows the snooze that it undoes.
        self._put_off: defaultdict[HostStats, deque[SnoozeRequest]] = defaultdict(
            lambda: deque(maxlen=_MOST_PUT_OFF)
        )
        self.pauses = Pauses()

    def submit(self, snoozes: Iterable[PendingSnooze]) -> None:
        """Snooze tasks soon; returns at once."""
        before = len(self._pending)
        self._pending += snoozes
        if not before and self._pending:
            self.wake()

    def without_paused(self, batch: list[WaitingDelivery]) -> list[WaitingDelivery]:
        """Snooze the paused tasks of a batch; returns the others."""
        pauses, others = self.pauses, []
        if not pauses.scopes:
            return batch
        for waiting in batch:
            # A paused queue has no new deliveries; some were taken from the backlog before the pause.
            task = waiting.envelope.task
            if pauses.cover_queue(waiting.delivery.queue) or pauses.cover_task(task):
                self.submit([PendingSnooze(waiting, PAUSED)])
            else:
                others.append(waiting)
        return others

    def without_unserved(self, batch: list[WaitingDelivery]) -> list[WaitingDelivery]:
        """Snooze the tasks whose executor has no handler in this consumer; returns the others.

        Another consumer may have one, and this one after its next start.
        """
        gone = {
            waiting
            for waiting in batch
            if waiting.envelope.task.url is None and not self._is_served(waiting.envelope.task.executor)
        }
        if not gone:
            return batch
        due = self._clock.now() + timedelta(seconds=UNSERVED_PAUSE)
        self.submit(PendingSnooze(each, unserved(each.envelope.task.executor), due) for each in gone)
        return [waiting for waiting in batch if waiting not in gone]

    def _is_served(self, name: str | None) -> bool:
        """Whether a handler here is that of the executor: one of another kind may have its name."""
        if name is None or name not in self._handlers:
            return False
        executor = (self._executors.known or {}).get(name)
        return executor is None or executor.kind is ExecutorKind.PYTHON

    def withdraw(self) -> list[WaitingDelivery]:
        """Take back what is not snoozed yet, so that its deliveries can be released."""
        left, self._pending = self._pending, []
        return [snooze.waiting for snooze in left]

    async def turn(self) -> float:
        if batch := self._pending[:_BATCH]:
            try:
                await self._snooze(batch)
            except OutsideError:
                raise
            except Exception:
                await self._snooze_one_by_one(batch)
                raise
        if self._put_off:
            await self._wake_put_off()
        if self._pending:
            return 0.0
        return _FAST_CHECK if self._put_off else _IDLE

    async def _wake_put_off(self) -> None:
        """Let the snoozed tasks of hosts come back at once that have turned out to be fast."""
        now = self._clock.now()
        for stats, snoozes in [*self._put_off.items()]:
            if not (stats.slow or stats.unmeasured):
                early = [replace(each, due=now, waits_for=None) for each in snoozes if each.due > now]
                if early:
                    await self._store.snooze(early, now=now)  # if the store is away, they are woken later
                stats.last_due = 0.0
            elif snoozes[-1].due > now:
                continue
            del self._put_off[stats]

    async def _snooze(self, batch: list[PendingSnooze]) -> None:
        now = self._clock.now()
        requests = [self._request(each, now) for each in batch]
        answers = await self._store.snooze(requests, now=now)
        unknown = [each for each, snoozed in zip(batch, answers, strict=True) if not snoozed]
        if unknown:
            await self._adopt(unknown, now)
        done = set(batch)
        self._pending = [each for each in self._pending if each not in done]
        for each, request in zip(batch, requests, strict=True):
            if each.slow_host is not None:
                self._put_off[each.slow_host].append(request)
        self._broker.ack([each.waiting.delivery for each in batch])
        self._emit(batch)

    async def _snooze_one_by_one(self, batch: list[PendingSnooze]) -> None:
        """After an unexpected fault, which may be about a single task.

        That task goes to the end, is tried again after the pause that follows a fault, and holds up no other.
        """
        for each in batch:
            try:
                await self._snooze([each])
            except Exception:  # noqa: BLE001 - `turn` reports the first fault
                self._pending.sort(key=lambda other: other is each)

    async def _adopt(self, unknown: list[PendingSnooze], now: datetime) -> None:
        """Make the records that the store has lost, and snooze them. Tasks with a record do not wait for
        this attempt and are left alone.
        """
        records = [each.waiting.new_task(now=now, hold=self._hold) for each in unknown]
        accepted = await self._store.accept(records)
        adopted = [
            each
            for each, answer in zip(unknown, accepted, strict=True)
            if answer.answer is AcceptAnswer.CREATED
        ]
        if adopted:
            await self._store.snooze([self._request(each, now) for each in adopted], now=now)
        for each in adopted:
            task = each.waiting.envelope.task
            self._events.emit(TaskAdopted(task_id=task.id, queue=task.queue))

    def _request(self, snooze: PendingSnooze, now: datetime) -> SnoozeRequest:
        task_id, number = snooze.waiting.key
        due = now + timedelta(seconds=self._hold) if snooze.due is None else snooze.due
        return SnoozeRequest(id=task_id, attempt=number, due=due, waits_for=snooze.why)

    def _emit(self, batch: list[PendingSnooze]) -> None:
        for why, count in Counter(each.why for each in batch if each.why != PAUSED).items():
            self._events.emit(TasksSnoozed(count=count, reason=why))
        for each in batch:
            if each.why == PAUSED:
                task_id, number = each.waiting.key
                self._events.emit(DeliveryDropped(task_id=task_id, attempt=number, reason=PAUSED))
