"""The refill: a broker that is not durable gets back, at start, what an earlier process had queued.

It publishes itself. Made due at once, those tasks would go through the relay, which takes a task that is
queued while its queue is not empty for one that waits its turn.
"""

from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import encode_task
from taskrunner.domain.events import Events
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.producer.publisher import Publisher, StoredTask
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Store

_PAGE = 500
# No more than the memory broker takes; what lies beyond is published by the relay, once its queue is empty.
_LIMIT = 1_000_000
# When all is done there is no further turn.
_DONE = 86_400.0


class BrokerRefill(Service):
    """Reads the queued tasks, newest first as the store lists them, then publishes them, oldest first.

    One that was queued by this process meanwhile is published twice, and the fences drop the double.
    """

    def __init__(self, store: Store, publisher: Publisher, events: Events) -> None:
        super().__init__("refill", events)
        self._store = store
        self._publisher = publisher
        self._found: list[StoredTask] = []
        self._cursor: str | None = None
        self._reading = True

    async def turn(self) -> float:
        if self._reading:
            await self._read_page()
            return 0.0
        batch = self._found[-_PAGE:][::-1]
        if not batch:
            return _DONE
        # What the broker refuses stays queued in the store, where the relay looks after it.
        await self._publisher.publish(batch, by_relay=True)
        del self._found[-_PAGE:]
        return 0.0

    async def _read_page(self) -> None:
        page = await self._store.list_tasks(Status.QUEUED, limit=_PAGE, cursor=self._cursor)
        self._found += [_outgoing(record) for record in page.items]
        self._cursor = page.cursor
        self._reading = page.cursor is not None and len(self._found) < _LIMIT


async def end_leases(store: Store, clock: Clock) -> None:
    """End the leases of all running tasks, so that the relay rescues them now; their attempts count.

    Only for who knows that no consumer lives, and before a consumer of its own starts. Raises
    `StoreUnavailable`.
    """
    cursor: str | None = None
    while True:
        page = await store.list_tasks(Status.RUNNING, limit=_PAGE, cursor=cursor)
        refs = [AttemptRef(id=record.task.id, attempt=record.attempt) for record in page.items]
        await store.renew(refs, lease_until=clock.now())
        cursor = page.cursor
        if cursor is None:
            return


def _outgoing(record: Record) -> StoredTask:
    task = record.task
    return StoredTask(
        id=task.id,
        queue=task.priority,
        encoded=encode_task(task),
        attempt=record.attempt + 1,
        snoozes=record.snoozes,
    )
