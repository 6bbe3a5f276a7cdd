"""Executors on Redis."""

from collections.abc import Sequence

from taskrunner.domain.executors.executor import Executor
from taskrunner.stores.executor_store import ExecutorStore, decode_executor
from taskrunner.stores.redis.named_values import RedisNamedValues

_KEPT_IN = "executors"


class RedisExecutorStore(RedisNamedValues, ExecutorStore):
    async def save_executor(self, executor: Executor, *, expected: Executor | None) -> bool:
        return await self._save_named(_KEPT_IN, executor, expected)

    async def executors(self) -> Sequence[Executor]:
        return await self._all_named(_KEPT_IN, decode_executor)

    async def delete_executor(self, expected: Executor) -> bool:
        return await self._delete_named(_KEPT_IN, expected)
