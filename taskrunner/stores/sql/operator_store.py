"""What operators ask of tasks, on SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, literal, null, select, tuple_, union_all

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.record import Attempt, Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.operator_store import ANY_TIME, OperatorStore
from taskrunner.stores.record import StoredRecord
from taskrunner.stores.sql.consumer_store import end_waiting, ending
from taskrunner.stores.sql.counts import read_counts
from taskrunner.stores.sql.fields import TableFields, text
from taskrunner.stores.sql.locked_task import (
    DELETED,
    delete_bodies,
    delete_encoded,
    lock_by_id,
    read_encoded,
    update_tasks,
)
from taskrunner.stores.sql.session import Row, Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, encoded_tasks, pauses, tasks
from taskrunner.stores.values import AttemptRef, Created, Due, Page, Place

_RECORD = TableFields(StoredRecord, tasks, encoded_tasks)
# Sorts behind every id, in UTF-8 as in code points.
LAST_ID = "\U0010ffff"
_LATEST = 2**62
RECORD_COLUMNS = (*_RECORD.columns, tasks.c.attempts, tasks.c.started_ms, tasks.c.consumer, tasks.c.id)


class SqlOperatorStore(SqlPart, OperatorStore):
    async def get(self, task_id: str) -> Record | None:
        return await self._connection.read(lambda session: read_record(session, text(task_id)))

    async def get_many(self, ids: Sequence[str]) -> Mapping[str, Record]:
        wanted = {text(task_id): task_id for task_id in ids}
        found = await self._look(list(wanted), _read_many)
        return {wanted[each.task.id]: each for each in found}

    async def body(self, task_id: str) -> bytes | None:
        row = await self._connection.read(lambda session: session.first(_body, id=text(task_id)))
        if row is None:
            return None
        content, has_result = row
        if content is None:
            return b"" if has_result else None
        return bytes(content)

    async def list_tasks(
        self,
        status: Status | None,
        *,
        limit: int,
        cursor: str | None,
        created: Created = ANY_TIME,
        namespace: str = "",
    ) -> Page[Record]:
        place = created.place() if cursor is None else Place.of_cursor(text(cursor), namespace=namespace)
        place = place or Place(ms=_LATEST, id="")
        chosen = {} if status is None else {"status": status.value}
        if namespace:
            chosen["namespace"] = namespace
        listed = _LISTS[status is not None, bool(namespace)]
        oldest = -_LATEST if created.oldest_ms is None else created.oldest_ms
        # One more than the page shows whether there is another page.
        bounds = {"ms": place.ms, "before": place.id, "oldest": oldest}
        rows = await self._connection.read(
            lambda session: session.fetch(listed, **bounds, limit=limit + 1, **chosen)
        )
        rows = sorted(rows, key=lambda row: (row[-1], row[-2]), reverse=True)
        following = None
        if len(rows) > limit:
            following = Place(ms=rows[limit - 1][-1], id=rows[limit - 1][-2]).cursor(namespace)
        return Page(items=[record(row[:-1]) for row in rows[:limit]], cursor=following)

    async def counts(self) -> Mapping[Status, int]:
        return await self._connection.read(read_counts)

    async def cancel(
        self, refs: Sequence[AttemptRef], *, now: datetime, error: str, retention: float
    ) -> Sequence[bool]:
        cancellation = ending(Status.CANCELLED, Status.CANCELLED, error, now, retention)
        return await self._change(refs, lambda session, part: end_waiting(session, part, cancellation))

    async def delete(
        self, ids: Sequence[str], *, now: datetime, retention: float, status: Status | None = None
    ) -> Sequence[bool]:
        """Leaves a row without an encoded task, which no read shows."""
        now_ms = to_ms(now)
        kept_until_ms = now_ms + retention_ms(retention)
        return await self._change(
            ids, lambda session, part: _delete(session, part, status, now_ms, kept_until_ms)
        )

    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        now_ms, due_ms = to_ms(now), to_ms(due)
        return await self._change(ids, lambda session, part: _requeue(session, part, now_ms, due_ms))

    async def pause(self, scope: str, *, now: datetime) -> None:
        row = {"chosen": text(scope), "since": to_ms(now)}
        await self._connection.write(lambda session: session.run(_pause, **row))

    async def resume(self, scope: str) -> bool:
        removed = await self._connection.write(lambda session: session.run(_resume, chosen=text(scope)))
        return removed > 0

    async def pauses(self) -> Mapping[str, datetime]:
        found = await self._connection.read(lambda session: session.mapping(_pauses))
        return {scope: from_ms(since) for scope, since in found.items()}


def read_record(session: Session, task_id: str) -> Record | None:
    rows = session.fetch(_one_record, id=task_id)
    return record(rows[0]) if rows else None


def _read_many(session: Session, part: Sequence[str]) -> list[Record]:
    return [record(row) for row in session.fetch(_many_records, ids(part))]


def record(row: Row) -> Record:
    """The record in a row of `RECORD_COLUMNS`."""
    attempts, started_ms, consumer, _ = row[len(_RECORD.names) :]
    stored = _RECORD.value(row)
    lines = attempts.encode().splitlines()
    if stored.status is Status.RUNNING:
        lines.append(
            encode(Attempt(number=stored.attempt, started_at=from_ms(started_ms), consumer=consumer))
        )
    return stored.decode(lines)


def _delete(
    session: Session, part: Sequence[str], status: Status | None, now_ms: int, kept_until_ms: int
) -> list[bool]:
    locked = lock_by_id(session, part)
    answers: list[bool] = []
    deleted: list[str] = []
    for task_id in part:
        task = locked.get(task_id)
        there = task is not None and task.status is not None and status in {None, task.status}
        answers.append(there)
        if task is not None and there:
            session.moved(task.status, DELETED)
            session.changed(task_id, None)
            task.status = None
            deleted.append(task_id)
    if deleted:
        session.run(delete_bodies, ids(deleted))
        session.run(delete_encoded, ids(deleted))
        session.run(_mark_deleted, ids(deleted), now=now_ms, kept_until=kept_until_ms)
    return answers


def _requeue(session: Session, part: Sequence[str], now_ms: int, due_ms: int) -> list[Due | None]:
    locked = lock_by_id(session, part)
    failed = [task_id for task_id, task in locked.items() if task.status is Status.FAILED]
    encoded: dict[str, str] = session.mapping(read_encoded, ids(failed)) if failed else {}
    if failed:
        session.run(_requeue_tasks, ids(failed), now=now_ms, due=due_ms)
    answers: list[Due | None] = []
    for task_id in part:
        task = locked.get(task_id)
        if task is None or task.status is not Status.FAILED:
            answers.append(None)
        else:
            task.move(session, Status.SCHEDULED)
            answers.append(
                Due(
                    id=task.id,
                    status=Status.SCHEDULED,
                    attempt=task.attempt,
                    attempt_limit=task.attempt + task.max_attempts,
                    queue=Priority(task.queue),
                    encoded=encoded[task_id].encode(),
                    snoozes=task.snoozes,
                )
            )
    return answers


def _records() -> "Select[Any]":
    return select(*RECORD_COLUMNS).join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)


@query
def _one_record(_: IncomingRows) -> "Select[Any]":
    return _records().where(tasks.c.id == parameter("id", TEXT))


@query
def _many_records(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    return _records().join(v, tasks.c.id == v.c.id)


def _page(columns: Sequence[Any], status: Any, *, own: bool = False) -> "Select[Any]":
    """A part of the index by status and creation: that of all tasks, or of a namespace."""
    order = tasks.c.created_at_ms, tasks.c.id
    found = select(*columns).join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)
    if own:
        found = found.where(of_namespace())
    found = found.where(tasks.c.status == status, tasks.c.created_at_ms >= parameter("oldest"))
    found = found.where(tuple_(*order) < tuple_(parameter("ms"), parameter("before", TEXT)))
    return found.order_by(*(each.desc() for each in order)).limit(parameter("limit"))


@query
def list_by_status(_: IncomingRows) -> "Select[Any]":
    return _page((*RECORD_COLUMNS, tasks.c.created_at_ms), parameter("status", TEXT))


@query
def list_own_by_status(_: IncomingRows) -> "Select[Any]":
    return _page((*RECORD_COLUMNS, tasks.c.created_at_ms), parameter("status", TEXT), own=True)


@query
def list_all(_: IncomingRows) -> "Select[Any]":
    return _merged(own=False)


@query
def list_own(_: IncomingRows) -> "Select[Any]":
    return _merged(own=True)


# By whether there is one status, and whether there is a namespace.
_LISTS = {
    (True, False): list_by_status,
    (True, True): list_own_by_status,
    (False, False): list_all,
    (False, True): list_own,
}


def of_namespace() -> Any:
    """The condition that keeps to the indices of the parameter `namespace`."""
    return tasks.c.namespace == parameter("namespace", TEXT)


def _merged(*, own: bool) -> "Select[Any]":
    """The pages of all statuses, merged: an index for this list alone would cost each change of a status."""
    names = [literal(status.value, literal_execute=True) for status in Status]
    pages = [_page((tasks.c.id,), name, own=own).subquery() for name in names]
    latest = union_all(*(select(page.c.id) for page in pages)).subquery("latest")
    found = select(*RECORD_COLUMNS, tasks.c.created_at_ms).join(latest, latest.c.id == tasks.c.id)
    found = found.join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)
    found = found.order_by(tasks.c.created_at_ms.desc(), tasks.c.id.desc())
    return found.limit(parameter("limit"))


@statement
def _body(_: IncomingRows) -> Executable:
    return (
        select(bodies.c.body, tasks.c.result.is_not(None))
        .select_from(tasks.outerjoin(bodies, bodies.c.id == tasks.c.id))
        .where(tasks.c.id == parameter("id", TEXT))
    )


@statement
def _mark_deleted(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    return update_tasks(
        v,
        status=literal(DELETED),
        updated_ms=parameter("now"),
        due_ms=null(),
        kept_until_ms=parameter("kept_until"),
        attempts=literal(""),
        result=null(),
        error=null(),
        reason=null(),
    )


@statement
def _requeue_tasks(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    return update_tasks(
        v,
        status=Status.SCHEDULED.value,
        attempt_limit=tasks.c.attempt + tasks.c.max_attempts,
        due_ms=parameter("due"),
        kept_until_ms=null(),
        updated_ms=parameter("now"),
        reason=null(),
        deadline_ms=null(),
        waits_for=null(),
    )


@statement
def _pause(_: IncomingRows) -> Executable:
    scope = parameter("chosen", TEXT)
    known = select(pauses.c.scope).where(pauses.c.scope == scope).exists()
    return insert(pauses).from_select(["scope", "since_ms"], select(scope, parameter("since")).where(~known))


@statement
def _resume(_: IncomingRows) -> Executable:
    return delete(pauses).where(pauses.c.scope == parameter("chosen", TEXT))


@query
def _pauses(_: IncomingRows) -> "Select[Any]":
    return select(pauses.c.scope, pauses.c.since_ms)
