"""Inspection and repair on SQL: rows that contradict themselves or each other.

`due_ms` is set for a live task and `kept_until_ms` for a finished one; the indices are the database's own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, Table, delete, or_, select, text

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.tasks.submitter import namespace_of
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.inspection_store import Flaw, Flawed, Inspection, InspectionStore, Overdue
from taskrunner.stores.sql.fields import TableFields
from taskrunner.stores.sql.locked_task import DELETED, delete_bodies, delete_tasks, read_status, update_tasks
from taskrunner.stores.sql.session import Row, Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, Statement, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, encoded_tasks, tasks

_CLOCKS = {
    "postgresql": "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)",
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
}
_OVERDUE = TableFields(Overdue, tasks)


class SqlInspectionStore(SqlPart, InspectionStore):
    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        rows = await self._connection.read(
            lambda session: session.fetch(_overdue, before=to_ms(before), limit=limit)
        )
        rows = sorted(rows, key=lambda row: (row[-1], row[0]))
        found = [_OVERDUE.value(row) for row in rows if row[1] != DELETED]
        return [each for each in found if each.status not in TERMINAL]

    async def time(self) -> datetime:
        row = await self._connection.read(lambda session: session.first(lambda d: text(_CLOCKS[d])))
        return from_ms(row[0] if row is not None else 0)

    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        """The cursor is a stage, a colon, and the last id seen in it."""
        stage, _, after = ("tasks:" if cursor is None else cursor).partition(":")
        if stage not in _STAGES:
            raise ValueError(f"no cursor of an inspection: {cursor!r}")
        rows = await self._connection.read(
            lambda session: session.fetch(_STAGES[stage], after=after, limit=limit)
        )
        rows = sorted(rows, key=lambda row: str(row[0]))
        flawed: list[Flawed] = []
        for row in rows:
            flaws = _flaws(row) if stage == "tasks" else [] if row[1] else [Flaw.NO_RECORD]
            flawed += [Flawed(id=row[0], flaw=flaw) for flaw in flaws]
        return Inspection(looked=len(rows), flawed=flawed, cursor=_following(stage, rows, limit))

    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, retention: float
    ) -> Sequence[bool]:
        now_ms, lease_ms = to_ms(now), to_ms(lease_until)
        kept_until_ms = now_ms + retention_ms(retention)
        changed = await self._change(
            list(dict.fromkeys(ids)),
            lambda session, part: _repair(session, part, now_ms, lease_ms, kept_until_ms),
        )
        left = set(changed)
        answers = []
        for task_id in ids:
            answers.append(task_id in left)
            left.discard(task_id)
        return answers


def _following(stage: str, rows: Sequence[Row], limit: int) -> str | None:
    if len(rows) == limit:
        return f"{stage}:{rows[-1][0]}"
    stages = list(_STAGES)
    later = stages[stages.index(stage) + 1 :]
    return f"{later[0]}:" if later else None


def _flaws(row: Row) -> list[Flaw]:
    """What is wrong with a row of `_select_states`."""
    task_id, stored, due_ms, kept_until_ms, namespace, has_encoded = row
    status = read_status(stored)
    if status is not None and not has_encoded:
        return [Flaw.NO_RECORD]
    live = status is not None and status not in TERMINAL
    found = [] if live is (due_ms is not None) else [Flaw.NOT_DUE if live else Flaw.DUE_THOUGH_ENDED]
    filed = live is (kept_until_ms is None) and (namespace or "") == namespace_of(task_id)
    return found if filed else [*found, Flaw.MISFILED]


def _repair(
    session: Session, part: Sequence[str], now_ms: int, lease_ms: int, kept_until_ms: int
) -> list[str]:
    """The ids of the tasks that were changed."""
    rows = session.fetch(_lock_states, ids(part))
    flaws = {row[0]: _flaws(row) for row in rows}
    lost = [row for row in rows if Flaw.NO_RECORD in flaws[row[0]]]
    misplaced = [row for row in rows if flaws[row[0]] and row not in lost]
    repaired = [_repaired(row, now_ms, lease_ms, kept_until_ms) for row in misplaced]
    if repaired:
        session.run(_write_times, repaired)
    _remove_lost(session, lost)
    removed = _remove_orphans(session, [task_id for task_id in part if task_id not in flaws])
    return [row["id"] for row in repaired] + [row[0] for row in lost] + removed


def _repaired(row: Row, now_ms: int, lease_ms: int, kept_until_ms: int) -> dict[str, Any]:
    task_id, stored, due_ms, kept_ms, _, _ = row
    status = read_status(stored)
    repaired = {"id": task_id, "namespace": namespace_of(task_id) or None}
    if status is None or status in TERMINAL:
        kept_ms = kept_until_ms if kept_ms is None else kept_ms
        return {**repaired, "due_ms": None, "kept_until_ms": kept_ms}
    again_ms = lease_ms if status is Status.RUNNING else now_ms
    return {**repaired, "due_ms": again_ms if due_ms is None else due_ms, "kept_until_ms": None}


def _remove_lost(session: Session, rows: Sequence[Row]) -> None:
    """Remove tasks whose encoded task is gone: what they were to fetch is unknown."""
    lost = ids(row[0] for row in rows)
    if lost:
        session.run(delete_bodies, lost)
        session.run(delete_tasks, lost)
    for row in rows:
        session.moved(row[1], None)


def _remove_orphans(session: Session, found: Sequence[str]) -> list[str]:
    """Remove what is kept of tasks that have no row; answers of which there was something."""
    if not found:
        return []
    rows = ids(found)
    present = {row[0] for look in _PRESENT for row in session.fetch(look, rows)}
    for remove in _REMOVE_ORPHANS:
        session.run(remove, rows)
    return list(present)


def _select_states() -> "Select[Any]":
    has_encoded = encoded_tasks.c.id.is_not(None).label("has_encoded")
    found = select(
        tasks.c.id, tasks.c.status, tasks.c.due_ms, tasks.c.kept_until_ms, tasks.c.namespace, has_encoded
    )
    return found.select_from(tasks.outerjoin(encoded_tasks, encoded_tasks.c.id == tasks.c.id))


@query
def _overdue(_: IncomingRows) -> "Select[Any]":
    due = select(*_OVERDUE.columns, tasks.c.due_ms).where(tasks.c.due_ms <= parameter("before"))
    return due.order_by(tasks.c.due_ms).limit(parameter("limit"))


@query
def _lock_states(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    found = _select_states().join(v, v.c.id == tasks.c.id).order_by(tasks.c.id)
    return found.with_for_update(of=tasks)


@statement
def _write_times(rows: IncomingRows) -> Executable:
    written = (tasks.c.due_ms, tasks.c.kept_until_ms, tasks.c.namespace)
    v = rows(tasks.c.id, *written)
    return update_tasks(v, **{column.name: v.c[column.name] for column in written})


@query
def _page_of_tasks(_: IncomingRows) -> "Select[Any]":
    found = _select_states().where(tasks.c.id > parameter("after", TEXT))
    return found.order_by(tasks.c.id).limit(parameter("limit"))


def _page_of(table: Table) -> Statement:
    """Rows, and whether their task is known. A body whose encoded task exists is reported with that."""

    @query
    def page(_: IncomingRows) -> "Select[Any]":
        joined = table.outerjoin(tasks, tasks.c.id == table.c.id)
        clauses = [tasks.c.id.is_not(None)]
        if table is not encoded_tasks:
            joined = joined.outerjoin(encoded_tasks, encoded_tasks.c.id == table.c.id)
            clauses.append(encoded_tasks.c.id.is_not(None))
        rows = select(table.c.id, or_(*clauses).label("known")).select_from(joined)
        rows = rows.where(table.c.id > parameter("after", TEXT))
        return rows.order_by(table.c.id).limit(parameter("limit"))

    return page


def _present_in(table: Table) -> Statement:
    @query
    def present(rows: IncomingRows) -> "Select[Any]":
        v = rows(tasks.c.id)
        return select(table.c.id).join(v, table.c.id == v.c.id)

    return present


def _remove_orphans_of(table: Table) -> Statement:
    @statement
    def remove(rows: IncomingRows) -> Executable:
        v = rows(tasks.c.id)
        # Checked again, since there is no row to lock.
        orphaned = ~select(tasks.c.id).where(tasks.c.id == table.c.id).exists()
        return delete(table).where(table.c.id.in_(select(v.c.id))).where(orphaned)

    return remove


# The walk goes through the tasks, then through what is kept apart from them.
_APART = (encoded_tasks, bodies)
_STAGES = {"tasks": _page_of_tasks, "encoded_tasks": _page_of(encoded_tasks), "bodies": _page_of(bodies)}
_PRESENT = [_present_in(table) for table in _APART]
_REMOVE_ORPHANS = [_remove_orphans_of(table) for table in _APART]
