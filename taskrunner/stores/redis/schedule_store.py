"""Schedules on Redis."""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.stores.redis.fields import FIELDS, SCHEDULE, new_tasks
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.schedule_store import ScheduleStore, StoredSchedule
from taskrunner.stores.values import Page


class RedisScheduleStore(RedisPart, ScheduleStore):
    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        fields = SCHEDULE.arguments(schedule)
        return bool(await self.run("save_schedule", expected or "", *fields, *new_tasks(tasks)))

    async def schedule(self, name: str) -> StoredSchedule | None:
        key = f"{self._prefix}schedule:{name}"
        version, *rest = await self._connection.call("HMGET", key, *FIELDS["SCHEDULE_FIELDS"])
        return SCHEDULE.value((name.encode(), version, *rest)) if version is not None else None

    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        more, *found = await self.run("list_schedules", limit, cursor or "")
        page = [SCHEDULE.value(fields) for fields in found]
        return Page(items=page, cursor=page[-1].name if more and page else None)

    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        return [SCHEDULE.value(fields) for fields in await self.run("due_schedules", to_ms(now), limit)]

    async def delete_schedule(self, name: str, *, expected: str) -> bool:
        return bool(await self.run("delete_schedule", name, expected))
