"""What operators ask of tasks, on Redis."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import storable
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.operator_store import ANY_TIME, OperatorStore
from taskrunner.stores.redis.consumer_store import end_waiting
from taskrunner.stores.redis.fields import DUE, pairs, read_record
from taskrunner.stores.redis.redis_connection import LIST_SLACK, RedisPart
from taskrunner.stores.values import AttemptRef, Created, Due, Page, Place


class RedisOperatorStore(RedisPart, OperatorStore):
    async def get(self, task_id: str) -> Record | None:
        return (await self.get_many([task_id])).get(task_id)

    async def get_many(self, ids: Sequence[str]) -> Mapping[str, Record]:
        found = await self.run_batch("get_records", ids, lambda part: part)
        return {task_id: read_record(fields) for task_id, fields in zip(ids, found, strict=True) if fields}

    async def body(self, task_id: str) -> bytes | None:
        key = f"{self._prefix}task:{task_id}"
        body, result = await self._connection.call("HMGET", key, "body", "result")
        # An empty body is not stored.
        return b"" if body is None and result is not None else body

    async def list_tasks(
        self,
        status: Status | None,
        *,
        limit: int,
        cursor: str | None,
        created: Created = ANY_TIME,
        namespace: str = "",
        order: TaskOrder = TaskOrder.NEWEST,
    ) -> Page[Record]:
        most = limit + LIST_SLACK
        place = created.place(order) if cursor is None else Place.of_cursor(cursor, namespace=namespace)
        begin = ("", "") if place is None else (place.ms, place.id)
        last_ms = created.last_ms(order)
        statuses = list(Status) if status is None else [status]
        lists = await self.run(
            "list_ids", most, *begin, "" if last_ms is None else last_ms, namespace, order, *statuses
        )
        entries = ((int(ms), task_id) for found in lists for task_id, ms in pairs(found))
        places = sorted(entries, reverse=order is TaskOrder.NEWEST)[:most]
        found: list[Record] = []
        for first in range(0, len(places), limit):
            part = places[first : first + limit]
            records = await self.run("get_records", *(task_id for _, task_id in part))
            for each, fields in zip(part, records, strict=True):
                if fields:
                    found.append(read_record(fields))
                if len(found) == limit:
                    at_end = each == places[-1] and len(places) < most
                    return Page(items=found, cursor=None if at_end else _cursor(each, namespace))
        return Page(items=found, cursor=_cursor(places[-1], namespace) if len(places) == most else None)

    async def counts(self) -> Mapping[Status, int]:
        return dict(zip(Status, await self.run("count", *Status), strict=True))

    async def cancel(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        error: str,
        retention: float,
        seen: str | None = None,
    ) -> Sequence[bool]:
        reason = Status.CANCELLED.value
        end = (Status.CANCELLED, to_ms(now), reason, error, retention_ms(retention), seen or "")
        return await end_waiting(self, refs, end)

    async def delete(
        self,
        ids: Sequence[str],
        *,
        now: datetime,
        retention: float,
        status: Status | None = None,
        seen: str | None = None,
    ) -> Sequence[bool]:
        kept_ms = retention_ms(retention)
        answers = await self.run_batch(
            "delete", ids, lambda part: [self.token(), kept_ms, status or "", seen or "", *part]
        )
        return list(map(bool, answers))

    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        answers = await self.run_batch(
            "requeue", ids, lambda part: [self.token(), to_ms(now), to_ms(due), *part]
        )
        return [DUE.value(fields) if fields else None for fields in answers]

    async def pause(self, scope: str, *, now: datetime) -> None:
        await self._connection.call("HSETNX", f"{self._prefix}paused", storable(scope), to_ms(now))

    async def resume(self, scope: str) -> bool:
        return bool(await self._connection.call("HDEL", f"{self._prefix}paused", storable(scope)))

    async def pauses(self) -> Mapping[str, datetime]:
        found = await self._connection.call("HGETALL", f"{self._prefix}paused")
        return {scope.decode(): from_ms(float(since)) for scope, since in pairs(found)}


def _cursor(entry: tuple[int, bytes], namespace: str) -> str:
    return Place(ms=entry[0], id=entry[1].decode()).cursor(namespace)
