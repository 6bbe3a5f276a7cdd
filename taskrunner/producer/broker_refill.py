"""The broker refill publishes again, at start, what an earlier process had queued in a broker in memory.

It does not leave this to the relay, which takes a queued task for a waiting one while its queue is not empty.
"""

from taskrunner.domain.clock import Clock
from taskrunner.domain.codec import encode
from taskrunner.domain.events import Events
from taskrunner.domain.queues.queue import is_remote
from taskrunner.domain.tasks.new_task import StoredTask
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.publisher import Publisher
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Store

_PAGE = 500
# The memory broker takes no more; the relay publishes the rest once the queue is empty.
_LIMIT = 1_000_000
# Seconds until the next turn once everything is published: there is nothing left to do.
_DONE = 86_400.0


class BrokerRefill(Service):
    """Reads the queued tasks, newest first as the store lists them, and publishes them oldest first.

    A task that this process queues meanwhile is published twice, and the fences drop the duplicate.
    """

    def __init__(self, store: Store, publisher: Publisher, events: Events) -> None:
        super().__init__("broker refill", events)
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
        # A task that the broker refuses stays queued in the store, where the relay finds it.
        await self._publisher.publish(batch, by_relay=True)
        del self._found[-_PAGE:]
        return 0.0

    async def _read_page(self) -> None:
        page = await self._store.list_tasks(Status.QUEUED, limit=_PAGE, cursor=self._cursor)
        self._found += [_stored(record) for record in page.items]
        self._cursor = page.cursor
        self._reading = page.cursor is not None and len(self._found) < _LIMIT


async def end_leases(store: Store, clock: Clock) -> None:
    """End the leases of the tasks that this process's consumer ran, so that the relay rescues them now.

    Their attempts count. Remote workers outlive this process: their leases hold until they end.
    Call it only while no consumer runs. Raises `StoreUnavailable`.
    """
    cursor: str | None = None
    while True:
        page = await store.list_tasks(Status.RUNNING, limit=_PAGE, cursor=cursor)
        refs = [
            AttemptRef(id=record.task.id, attempt=record.attempt)
            for record in page.items
            if not is_remote(record.task.queue)
        ]
        if refs:
            await store.renew(refs, lease_until=clock.now())
        cursor = page.cursor
        if cursor is None:
            return


def _stored(record: Record) -> StoredTask:
    return StoredTask(
        id=record.task.id,
        queue=record.task.queue,
        encoded=encode(record.task),
        attempt=record.attempt,
        snoozes=record.snoozes,
    )
