"""Queue administration: declare, change and delete queues."""

import orjson

from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import (
    FieldError,
    OutsideError,
    QueueInvalid,
    QueueUnknown,
    StateConflict,
    TopologyConflict,
)
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.queues.declared_queues import DeclaredQueue, DeclaredQueues, QueueOrigin, StoredQueue
from taskrunner.domain.queues.queue import MAX_QUEUES, check_new_queue
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.domain.schedules.schedule import decode_schedule
from taskrunner.producer.change_check import MAX_TRIES
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.stores.base import Store

# The most schedules that one page lists.
_PAGE = 200


class QueueAdmin:
    """Every method may raise `StoreUnavailable`. `broker` is None for a process that does not connect to it.

    A change takes effect in this process before the method returns, unless the store is away by then.
    """

    def __init__(self, store: Store, broker: Broker | None, watch: QueueWatch, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._watch = watch
        self._clock = clock

    @property
    def declared(self) -> DeclaredQueues:
        return self._watch.declared

    async def put(self, name: str, draft: QueueDraft) -> tuple[DeclaredQueue, bool]:
        """Declare a queue, or change its weight; True if it is new.

        Raises `QueueInvalid` for the name, `StateConflict` if there are too many or the broker refuses it,
        and `BrokerUnavailable` if the broker is away; then nothing is stored.
        """
        for _ in range(MAX_TRIES):
            await self._watch.turn()
            is_new = name not in self.declared.queues
            known, now = self._stored(name), self._clock.now()
            created_at = now if known is None else known.created_at
            queue = StoredQueue(name=name, weight=draft.weight, created_at=created_at, updated_at=now)
            if await self._save(queue, known, is_new=is_new):
                await self._watch.refresh()
                return DeclaredQueue(name=name, weight=draft.weight, declared_by=QueueOrigin.API), is_new
        raise _contended(name)

    async def _save(self, queue: StoredQueue, known: StoredQueue | None, *, is_new: bool) -> bool:
        try:
            if is_new:
                await self._check_new(queue.name)
            return await self._store.save_queue(queue, expected=known)
        except (OutsideError, StateConflict):
            # The broker would declare it after the next reconnect, although nothing is stored.
            await self._watch.declare()
            raise

    async def delete(self, name: str) -> None:
        """Withdraw a declaration; the queue of a broker stays, with what others may have put into it.

        Raises `QueueUnknown`, and `StateConflict` for a queue that the configuration declares or that is in
        use. Where the configuration also declares it, its weight there applies again.
        """
        for _ in range(MAX_TRIES):
            await self._watch.turn()
            known = self._stored(name)
            if known is None:
                raise self._not_stored(name)
            if name not in self.declared.configured:
                await self._refuse_used(name)
            if await self._store.delete_queue(known):
                await self._watch.refresh()
                return
        raise _contended(name)

    def _stored(self, name: str) -> StoredQueue | None:
        return next((each for each in self.declared.stored or () if each.name == name), None)

    def _not_stored(self, name: str) -> QueueUnknown | StateConflict:
        if name in self.declared.queues:
            return StateConflict(f"the configuration declares the queue {name}; remove it there (Queues)")
        return QueueUnknown(f"no queue has the name {shown(name)}{did_you_mean(name, self.declared.names)}")

    async def _check_new(self, name: str) -> None:
        try:
            check_new_queue(name)
        except ValueError as exc:
            raise QueueInvalid([FieldError(field="name", message=str(exc))]) from exc
        if self.declared.is_full:
            raise StateConflict(
                f"{len(self.declared.queues)} queues are declared, and at most {MAX_QUEUES}: delete one"
            )
        reason = await self._watch.declare_new(name)
        if reason is not None:
            raise StateConflict(f"the broker refuses to declare the queue {name}: {reason}")

    async def _refuse_used(self, name: str) -> None:
        task_id = await self._store.live_task_in(name)
        if task_id is not None:
            raise StateConflict(
                f"the queue {name} has tasks that have not ended, such as {task_id}; "
                "let them end, or cancel them"
            )
        schedule = await self._schedule_into(name)
        if schedule is not None:
            raise StateConflict(f"schedule {schedule!r} submits to the queue {name}; change it, or delete it")
        for executor in await self._store.executors():
            if executor.queue == name:
                raise StateConflict(f"executor {executor.name} has the queue {name}; change it, or delete it")
        ready = await self._ready(name)
        if ready:
            raise StateConflict(f"the queue {name} has {ready} messages in the broker; let them be consumed")

    async def _schedule_into(self, name: str) -> str | None:
        cursor: str | None = None
        while True:
            page = await self._store.list_schedules(limit=_PAGE, cursor=cursor)
            for each in page.items:
                schedule = decode_schedule(each.encoded)
                if orjson.loads(schedule.task).get("queue") == name:
                    return schedule.name
            cursor = page.cursor
            if cursor is None:
                return None

    async def _ready(self, name: str) -> int:
        """Messages of others have no record yet. With the broker away, they are left to it."""
        if self._broker is None:
            return 0
        try:
            return (await self._broker.depths()).get(name, 0)
        except (OutsideError, TopologyConflict):
            return 0


def _contended(name: str) -> StateConflict:
    return StateConflict(f"the queue {name} is being changed by others; try again")
