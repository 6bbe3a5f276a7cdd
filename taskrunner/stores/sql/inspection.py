"""A look through the tables for rows that contradict themselves or each other, and their repair.

`due_ms` stands for what is live and `kept_until_ms` for what has ended; the indexes are the database's own.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, Table, Text, bindparam, delete, or_, select, text, update

from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.task import Priority
from taskrunner.stores.inspection import Flaw, Flawed, Inspection, Overdue
from taskrunner.stores.sql import values
from taskrunner.stores.sql.session import Row, Session, answer, incoming, parts
from taskrunner.stores.sql.statements import Statements
from taskrunner.stores.sql.tables import bodies, specs, tasks

_CLOCKS = {
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
}
# The walk goes through the tasks, then through what is kept apart from them.
_PARTS: dict[str, Table] = {"specs": specs, "bodies": bodies}
_STAGES = ("tasks", *_PARTS)


@cache
def inspection_statements(dialect: str) -> "InspectionStatements":
    """The statements of a dialect."""
    return InspectionStatements(dialect)


class InspectionStatements:
    """Every statement for looking through the tables, in one dialect."""

    def __init__(self, dialect: str) -> None:
        limit, after = bindparam("limit", type_=Integer()), bindparam("after", type_=Text())
        self.clock = text(_CLOCKS[dialect])
        self.overdue = answer(
            dialect,
            select(tasks.c.id, tasks.c.status, tasks.c.queue, tasks.c.due_ms)
            .where(tasks.c.due_ms <= bindparam("before", type_=BigInteger()))
            .order_by(tasks.c.due_ms)
            .limit(limit),
        )
        row = select(
            tasks.c.id,
            tasks.c.status,
            tasks.c.due_ms,
            tasks.c.kept_until_ms,
            specs.c.id.is_not(None).label("has_spec"),
        )
        joined = row.select_from(tasks.outerjoin(specs, specs.c.id == tasks.c.id))
        self.pages = {
            "tasks": answer(dialect, joined.where(tasks.c.id > after).order_by(tasks.c.id).limit(limit))
        }
        for name, table in _PARTS.items():
            self.pages[name] = answer(dialect, _page(table, after, limit))
        v = incoming(dialect, {"id": Text()})
        self.lock = answer(
            dialect, joined.join(v, v.c.id == tasks.c.id).order_by(tasks.c.id).with_for_update(of=tasks)
        )
        self.present = [
            answer(dialect, select(table.c.id).join(v, v.c.id == table.c.id)) for table in _PARTS.values()
        ]
        # Looked at once more, since there is no row to lock.
        self.bulk_actions = [
            delete(table)
            .where(table.c.id.in_(select(v.c.id)))
            .where(~select(tasks.c.id).where(tasks.c.id == table.c.id).exists())
            for table in _PARTS.values()
        ]
        v = incoming(dialect, {"id": Text(), "due": BigInteger(), "expires": BigInteger()})
        self.mend = (
            update(tasks).where(tasks.c.id == v.c.id).values(due_ms=v.c.due, kept_until_ms=v.c.expires)
        )


def _page(table: Table, after: Any, limit: Any) -> "Select[Any]":
    """Rows and whether their task is known; of a body that has a request, that one tells."""
    joined = table.outerjoin(tasks, tasks.c.id == table.c.id)
    clauses = [tasks.c.id.is_not(None)]
    if table is not specs:
        joined = joined.outerjoin(specs, specs.c.id == table.c.id)
        clauses.append(specs.c.id.is_not(None))
    rows = select(table.c.id, or_(*clauses).label("known")).select_from(joined)
    return rows.where(table.c.id > after).order_by(table.c.id).limit(limit)


def overdue(session: Session, sql: InspectionStatements, *, before: int, limit: int) -> list[Overdue]:
    rows = sorted(session.fetch(sql.overdue, before=before, limit=limit), key=lambda row: (row[3], row[0]))
    live = [row for row in rows if row[1] not in TERMINAL and row[1] != values.DELETED]
    return [Overdue(id=row[0], status=Status(row[1]), queue=Priority(row[2])) for row in live]


def inspect(session: Session, sql: InspectionStatements, *, cursor: str | None, limit: int) -> Inspection:
    """The cursor is a table's name, a colon, and the last id seen in it. Raises `ValueError`."""
    stage, _, after = ("tasks:" if cursor is None else cursor).partition(":")
    if stage not in _STAGES:
        raise ValueError(f"no cursor of an inspection: {cursor!r}")
    rows = sorted(session.fetch(sql.pages[stage], after=after, limit=limit), key=lambda row: str(row[0]))
    flawed: list[Flawed] = []
    for row in rows:
        flaws = _flaws(row) if stage == "tasks" else [] if row[1] else [Flaw.NO_RECORD]
        flawed += [Flawed(id=row[0], flaw=flaw) for flaw in flaws]
    return Inspection(looked=len(rows), flawed=flawed, cursor=_following(stage, rows, limit))


def _following(stage: str, rows: Sequence[Row], limit: int) -> str | None:
    if len(rows) == limit:
        return f"{stage}:{rows[-1][0]}"
    later = _STAGES[_STAGES.index(stage) + 1 :]
    return f"{later[0]}:" if later else None


def _flaws(row: Row) -> list[Flaw]:
    _, stored, due, expires, has_spec = row
    status = values.status(stored)
    if status is not None and not has_spec:
        return [Flaw.NO_RECORD]
    lives = status is not None and status not in TERMINAL
    found = [] if lives is (due is not None) else [Flaw.NOT_DUE if lives else Flaw.DUE_THOUGH_ENDED]
    return found if lives is (expires is None) else [*found, Flaw.MISFILED]


def repair(
    session: Session,
    sql: InspectionStatements,
    tasks_sql: Statements,
    ids: Sequence[str],
    *,
    now: int,
    lease: int,
    expires: int,
) -> list[bool]:
    changed: set[str] = set()
    for part in parts(list(dict.fromkeys(ids))):
        rows = session.fetch(sql.lock, [{"id": task_id} for task_id in part])
        flaws = {row[0]: _flaws(row) for row in rows}
        mended = [_mended(row, now, lease, expires) for row in rows if _is_mendable(flaws[row[0]])]
        if mended:
            session.run(sql.mend, mended)
        changed |= {row["id"] for row in mended}
        changed |= _remove_requestless(session, tasks_sql, [row for row in rows if _is_requestless(row)])
        changed |= _bulk_action(session, sql, [task_id for task_id in part if task_id not in flaws])
    answers = []
    for task_id in ids:
        answers.append(task_id in changed)
        changed.discard(task_id)
    return answers


def _is_mendable(flaws: Sequence[Flaw]) -> bool:
    return bool(flaws) and Flaw.NO_RECORD not in flaws


def _mended(row: Row, now: int, lease: int, expires: int) -> dict[str, Any]:
    task_id, stored, due, kept, _ = row
    status = values.status(stored)
    if status is None or status in TERMINAL:
        return {"id": task_id, "due": None, "expires": expires if kept is None else kept}
    again = lease if status is Status.RUNNING else now
    return {"id": task_id, "due": again if due is None else due, "expires": None}


def _is_requestless(row: Row) -> bool:
    return Flaw.NO_RECORD in _flaws(row)


def _remove_requestless(session: Session, tasks_sql: Statements, rows: Sequence[Row]) -> set[str]:
    """Nobody knows what these tasks were to fetch."""
    ids = [{"id": row[0]} for row in rows]
    if ids:
        session.run(tasks_sql.delete_bodies, ids)
        session.run(tasks_sql.delete_tasks, ids)
    for row in rows:
        session.moved(row[1], None)
    return {row["id"] for row in ids}


def _bulk_action(session: Session, sql: InspectionStatements, ids: Sequence[str]) -> set[str]:
    """Remove what is kept of tasks that have no row; answers of which there was something."""
    rows = [{"id": task_id} for task_id in ids]
    if not rows:
        return set()
    found = {row[0] for statement in sql.present for row in session.fetch(statement, rows)}
    for statement in sql.bulk_actions:
        session.run(statement, rows)
    return found
