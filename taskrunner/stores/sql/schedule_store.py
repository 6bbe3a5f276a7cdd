"""Schedules on SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, select, update

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.stores.schedule_store import ScheduleStore, StoredSchedule
from taskrunner.stores.sql.fields import TableFields, text
from taskrunner.stores.sql.intake_store import accept
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import schedules
from taskrunner.stores.values import Page

_SCHEDULE = TableFields(StoredSchedule, schedules)


class SqlScheduleStore(SqlPart, ScheduleStore):
    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        """A race with another process for a name ends in a unique violation, and is tried again."""

        def save(session: Session) -> bool:
            row = session.first(_lock_version, chosen=schedule.name)
            found = None if row is None else row[0]
            if found == schedule.version:
                return True  # the same call once more: its first answer was lost
            if found != expected:
                return False
            session.run(_insert if found is None else _update, [_SCHEDULE.row(schedule)])
            if tasks:
                accept(session, tasks)
            return True

        return await self._connection.write(save)

    async def schedule(self, name: str) -> StoredSchedule | None:
        rows = await self._connection.read(lambda session: session.fetch(_one, chosen=text(name)))
        return _SCHEDULE.value(rows[0]) if rows else None

    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        after = "" if cursor is None else text(cursor)
        # One more than the page shows whether there is another page.
        rows = await self._connection.read(
            lambda session: session.fetch(_following, after=after, limit=limit + 1)
        )
        found = sorted(map(_SCHEDULE.value, rows), key=lambda schedule: schedule.name)
        return Page(items=found[:limit], cursor=found[limit - 1].name if len(found) > limit else None)

    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        rows = await self._connection.read(lambda session: session.fetch(_due, now=to_ms(now), limit=limit))
        rows = sorted(rows, key=lambda row: (row[-1], row[0]))
        return [_SCHEDULE.value(row) for row in rows]

    async def delete_schedule(self, name: str, *, expected: str) -> bool:
        row = {"chosen": text(name), "expected": expected}
        return await self._connection.write(lambda session: session.run(_delete, **row)) > 0


def _is_chosen() -> Any:
    return schedules.c.name == parameter("chosen", TEXT)


@statement
def _lock_version(_: IncomingRows) -> Executable:
    return select(schedules.c.version).where(_is_chosen()).with_for_update()


@statement
def _insert(rows: IncomingRows) -> Executable:
    v = rows(*_SCHEDULE.columns)
    return insert(schedules).from_select(_SCHEDULE.names, select(*v.c))


@statement
def _update(rows: IncomingRows) -> Executable:
    v = rows(*_SCHEDULE.columns)
    written = {name: v.c[name] for name in _SCHEDULE.names}
    return update(schedules).where(schedules.c.name == v.c.name).values(written)


@statement
def _delete(_: IncomingRows) -> Executable:
    return delete(schedules).where(_is_chosen(), schedules.c.version == parameter("expected", TEXT))


@query
def _one(_: IncomingRows) -> "Select[Any]":
    return select(*_SCHEDULE.columns).where(_is_chosen())


@query
def _following(_: IncomingRows) -> "Select[Any]":
    page = select(*_SCHEDULE.columns).where(schedules.c.name > parameter("after", TEXT))
    return page.order_by(schedules.c.name).limit(parameter("limit"))


@query
def _due(_: IncomingRows) -> "Select[Any]":
    due = select(*_SCHEDULE.columns).where(schedules.c.next_at_ms <= parameter("now"))
    return due.order_by(schedules.c.next_at_ms).limit(parameter("limit"))
