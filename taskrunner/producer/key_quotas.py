"""The quotas of API keys: what a key may have in the store, by number and by size."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.producer.storage_quota import StorageQuota
from taskrunner.producer.task_quota import Room, TaskQuota


class KeyQuotas:
    """Asked before tasks of a key are accepted."""

    def __init__(self, tasks: TaskQuota, storage: StorageQuota) -> None:
        self._tasks = tasks
        self._storage = storage

    @asynccontextmanager
    async def room_for(self, key: ApiKey, count: int, size_bytes: int) -> AsyncIterator[Room]:
        """Accept tasks inside, and say how many are new. Raises `QuotaUsed`, and as `TaskQuota` does."""
        async with AsyncExitStack() as stack:
            room = Room()
            if key.max_live_tasks is not None:
                room = await stack.enter_async_context(self._tasks.room_for(key, count))
            if key.max_stored_bytes is not None:
                stack.enter_context(self._storage.room_for(key, count, size_bytes, room))
            yield room
