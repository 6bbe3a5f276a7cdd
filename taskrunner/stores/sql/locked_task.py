"""The rows of tasks that an operation has locked, and the changes that several operations make to them.

Law: an operation holds the locks of all rows that it decides on. Rows are locked in the order of their ids,
so that no two processes wait for each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from sqlalchemy import Executable, FromClause, Select, Table, delete, select, update

from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.stores.sql.session import Session, ids
from taskrunner.stores.sql.statement import IncomingRows, Statement, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, encoded_tasks, tasks

# In place of a status: the row only remembers the id, until its retention ends.
DELETED = "deleted"


class HasId(Protocol):
    """An item of a batch that names a task."""

    @property
    def id(self) -> str: ...


@dataclass(slots=True)
class LockedTask:
    """A locked row, kept up to date while its batch is decided. `status` is None for a deleted task."""

    id: str
    status: Status | None
    attempt: int
    attempt_limit: int
    consumer: str | None
    queue: str
    max_attempts: int
    deadline_ms: int | None
    snoozes: int

    def waits_for(self, attempt: int) -> bool:
        return self.status in CLAIMABLE and self.attempt + 1 == attempt

    def runs(self, attempt: int) -> bool:
        return self.status is Status.RUNNING and self.attempt == attempt

    def is_past_deadline(self, now_ms: int) -> bool:
        return self.deadline_ms is not None and self.deadline_ms <= now_ms

    def move(self, session: Session, status: Status) -> None:
        """Count the change of status; the caller's statement writes it."""
        session.moved(self.status, status)
        if status is not self.status:
            session.changed(self.id, status)
        self.status = status


def read_status(stored: str) -> Status | None:
    """The status of a row, None for a deleted task."""
    return None if stored == DELETED else Status(stored)


def lock(session: Session, items: Iterable[HasId]) -> dict[str, LockedTask]:
    """Lock the tasks of a batch; those that exist, by id."""
    return lock_by_id(session, (item.id for item in items))


def lock_by_id(session: Session, found: Iterable[str]) -> dict[str, LockedTask]:
    locked: dict[str, LockedTask] = {}
    for row in session.fetch(lock_tasks, ids(dict.fromkeys(found))):
        task = LockedTask(*row)
        task.status = read_status(row[1])
        locked[task.id] = task
    return locked


def move_due(session: Session, found: Sequence[str], due_ms: int) -> None:
    if found:
        session.run(set_due, ids(found), due=due_ms)


@query
def lock_tasks(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    columns = [tasks.c[each.name] for each in fields(LockedTask)]
    locked = select(*columns).join(v, tasks.c.id == v.c.id).order_by(tasks.c.id)
    return locked.with_for_update(of=tasks)


def update_tasks(rows: FromClause, **values: Any) -> Executable:
    """Change the tasks that `rows` name by `id`."""
    return update(tasks).where(tasks.c.id == rows.c.id).values(**values)


@statement
def set_due(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    return update_tasks(v, due_ms=parameter("due"))


def _delete_from(table: Table) -> Statement:
    @statement
    def delete_rows(rows: IncomingRows) -> Executable:
        v = rows(table.c.id)
        return delete(table).where(table.c.id.in_(select(v.c.id)))

    return delete_rows


delete_tasks = _delete_from(tasks)
delete_encoded = _delete_from(encoded_tasks)
delete_bodies = _delete_from(bodies)


@query
def read_encoded(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    return select(encoded_tasks.c.id, encoded_tasks.c.encoded).join(v, encoded_tasks.c.id == v.c.id)
