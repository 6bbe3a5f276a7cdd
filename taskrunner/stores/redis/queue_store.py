"""Declared queues on Redis: each is one field of a hash."""

from collections.abc import Sequence

from taskrunner.domain.queues.declared_queues import StoredQueue
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.queue_store import QueueStore, decode_queue
from taskrunner.stores.redis.named_values import RedisNamedValues

_KEPT_IN = "queues"
# Tasks that one call looks at: a millisecond of the server.
_LOOKED_AT = 1000
# In the direction in which tasks change, so that one that does between two calls is met where it arrives. An
# attempt that ends makes its task wait again, so waiting ones are looked at once more.
_STATUSES = (
    Status.SCHEDULED,
    Status.RETRYING,
    Status.QUEUED,
    Status.RUNNING,
    Status.SCHEDULED,
    Status.RETRYING,
)


class RedisQueueStore(RedisNamedValues, QueueStore):
    async def save_queue(self, queue: StoredQueue, *, expected: StoredQueue | None) -> bool:
        return await self._save_named(_KEPT_IN, queue, expected)

    async def queues(self) -> Sequence[StoredQueue]:
        return await self._all_named(_KEPT_IN, decode_queue)

    async def delete_queue(self, expected: StoredQueue) -> bool:
        return await self._delete_named(_KEPT_IN, expected)

    async def live_task_in(self, queue: str) -> str | None:
        for status in _STATUSES:
            seen = 0
            while True:
                found, looked_at = await self.run("live_task_in", queue, status, seen, _LOOKED_AT)
                if found:
                    return str(found.decode())
                if looked_at < _LOOKED_AT:
                    break
                seen += looked_at
        return None
