"""Schedules in SQL: their statements, and what is done with them."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, insert, select, update

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.stores.base import NewTask, Page, StoredSchedule
from taskrunner.stores.sql import changes
from taskrunner.stores.sql.session import Row, Session, answer
from taskrunner.stores.sql.statements import Statements
from taskrunner.stores.sql.tables import schedules


@cache
def schedule_statements(dialect: str) -> "ScheduleStatements":
    """The statements of a dialect."""
    return ScheduleStatements(dialect)


class ScheduleStatements:
    """Every statement on schedules, in one dialect."""

    def __init__(self, dialect: str) -> None:
        name, limit = bindparam("chosen", type_=Text()), bindparam("limit", type_=Integer())
        columns = (schedules.c.name, schedules.c.version, schedules.c.body, schedules.c.next_ms)
        written = {
            "version": bindparam("new_version", type_=Text()),
            "body": bindparam("new_body", type_=Text()),
            "next_ms": bindparam("new_next", type_=BigInteger()),
        }
        query = select(*columns)
        chosen = schedules.c.name == name
        page = query.order_by(schedules.c.name).limit(limit)
        self.lock = select(schedules.c.version).where(chosen).with_for_update()
        self.insert = insert(schedules).values(name=name, **written)
        self.update = update(schedules).where(chosen).values(written)
        self.delete = delete(schedules).where(chosen)
        self.one = answer(dialect, query.where(chosen))
        self.first = answer(dialect, page)
        self.following = answer(dialect, page.where(schedules.c.name > bindparam("after", type_=Text())))
        self.due = answer(
            dialect,
            query.where(schedules.c.next_ms <= bindparam("now", type_=BigInteger()))
            .order_by(schedules.c.next_ms)
            .limit(limit),
        )


def save(
    session: Session,
    sql: ScheduleStatements,
    tasks_sql: Statements,
    schedule: StoredSchedule,
    *,
    expected: str | None,
    tasks: Sequence[NewTask],
) -> bool:
    """A race with another process for a name ends in a unique violation: to be tried again."""
    row = session.first(sql.lock, chosen=schedule.name)
    found = None if row is None else row[0]
    if found == schedule.version:
        return True  # the same call once more: its first answer got lost
    if found != expected:
        return False
    session.run(
        sql.insert if found is None else sql.update,
        chosen=schedule.name,
        new_version=schedule.version,
        new_body=schedule.encoded.decode(),
        new_next=None if schedule.next_at is None else to_ms(schedule.next_at),
    )
    if tasks:
        changes.accept(session, tasks_sql, tasks)
    return True


def get(session: Session, sql: ScheduleStatements, name: str) -> StoredSchedule | None:
    rows = session.fetch(sql.one, chosen=name)
    return _schedule(rows[0]) if rows else None


def page(
    session: Session, sql: ScheduleStatements, *, limit: int, cursor: str | None
) -> Page[StoredSchedule]:
    # One more than the page shows whether there is another one.
    most = limit + 1
    if cursor is None:
        rows = session.fetch(sql.first, limit=most)
    else:
        rows = session.fetch(sql.following, limit=most, after=cursor)
    rows = sorted(rows, key=lambda row: str(row[0]))
    return Page(
        items=[_schedule(row) for row in rows[:limit]],
        cursor=rows[limit - 1][0] if len(rows) > limit else None,
    )


def due(session: Session, sql: ScheduleStatements, *, now: int, limit: int) -> list[StoredSchedule]:
    rows = session.fetch(sql.due, now=now, limit=limit)
    return [_schedule(row) for row in sorted(rows, key=lambda row: (row[3], row[0]))]


def remove(session: Session, sql: ScheduleStatements, name: str) -> bool:
    return session.run(sql.delete, chosen=name) > 0


def _schedule(row: Row) -> StoredSchedule:
    name, version, body, next_ms = row
    return StoredSchedule(
        name=name,
        version=version,
        encoded=body.encode(),
        next_at=None if next_ms is None else from_ms(next_ms),
    )
