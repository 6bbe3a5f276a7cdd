"""Operations on Redis: a hash each, sorted sets of all ids, of those that are live, and of ends."""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.stores.operation_store import OperationStore, StoredOperation
from taskrunner.stores.redis.fields import FIELDS, OPERATION
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.values import Page


class RedisOperationStore(RedisPart, OperationStore):
    async def save_operation(self, stored: StoredOperation, *, expected: str | None) -> bool:
        return bool(await self.run("save_operation", expected or "", *OPERATION.arguments(stored)))

    async def operation(self, operation_id: str) -> StoredOperation | None:
        key = f"{self._prefix}operation:{operation_id}"
        version, *rest = await self._connection.call("HMGET", key, *FIELDS["OPERATION_FIELDS"])
        return OPERATION.value((operation_id.encode(), version, *rest)) if version is not None else None

    async def list_operations(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[StoredOperation]:
        more, *found = await self.run("list_operations", limit, cursor or "", namespace)
        page = [OPERATION.value(fields) for fields in found]
        return Page(items=page, cursor=page[-1].id if more and page else None)

    async def live_operations(self, *, limit: int) -> Sequence[StoredOperation]:
        return [OPERATION.value(fields) for fields in await self.run("live_operations", limit)]

    async def prune_operations(self, *, before: datetime, most: int, limit: int) -> int:
        return int(await self.run("prune_operations", to_ms(before), most, limit))
