"""What operators ask of tasks, on SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Executable,
    Select,
    delete,
    insert,
    literal,
    null,
    select,
)

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.stores.consumer_store import follow_up_bytes
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.operator_store import ANY_TIME, OperatorStore
from taskrunner.stores.sql.consumer_store import end_waiting, ending
from taskrunner.stores.sql.counts import read_counts
from taskrunner.stores.sql.fields import LATEST, text
from taskrunner.stores.sql.locked_task import (
    DELETED,
    delete_bodies,
    delete_encoded,
    lock_by_id,
    read_encoded,
    update_tasks,
)
from taskrunner.stores.sql.session import Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, encoded_tasks, pauses, tasks
from taskrunner.stores.sql.task_lists import RECORD_COLUMNS, TASK_LISTS, record
from taskrunner.stores.values import AttemptRef, Created, Due, Page, Place


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
        order: TaskOrder = TaskOrder.NEWEST,
    ) -> Page[Record]:
        newest_first = order is TaskOrder.NEWEST
        place = created.place(order) if cursor is None else Place.of_cursor(text(cursor), namespace=namespace)
        end = LATEST if newest_first else -LATEST
        place = place or Place(ms=end, id="")
        chosen = {} if status is None else {"status": status.value}
        if namespace:
            chosen["namespace"] = namespace
        listed = TASK_LISTS[status is not None, bool(namespace), order]
        last_ms = created.last_ms(order)
        # One more than the page shows whether there is another page.
        bounds = {"ms": place.ms, "begin": place.id, "last": -end if last_ms is None else last_ms}
        rows = await self._connection.read(
            lambda session: session.fetch(listed, **bounds, limit=limit + 1, **chosen)
        )
        rows = sorted(rows, key=lambda row: (row[-1], row[-2]), reverse=newest_first)
        following = None
        if len(rows) > limit:
            following = Place(ms=rows[limit - 1][-1], id=rows[limit - 1][-2]).cursor(namespace)
        return Page(items=[record(row[:-1]) for row in rows[:limit]], cursor=following)

    async def counts(self) -> Mapping[Status, int]:
        return await self._connection.read(read_counts)

    async def cancel(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        error: str,
        retention: float,
        seen: str | None = None,
    ) -> Sequence[bool]:
        cancellation = ending(Status.CANCELLED, Status.CANCELLED, error, now, retention)

        def cancel(session: Session, part: Sequence[AttemptRef]) -> list[bool]:
            if not _are_as_seen(session, [ref.id for ref in part], seen):
                return [False] * len(part)
            return end_waiting(session, part, cancellation)

        return await self._change(refs, cancel, follow_up_bytes)

    async def delete(
        self,
        ids: Sequence[str],
        *,
        now: datetime,
        retention: float,
        status: Status | None = None,
        seen: str | None = None,
    ) -> Sequence[bool]:
        """Leaves a row without an encoded task, which no read shows."""
        now_ms = to_ms(now)
        kept_until_ms = now_ms + retention_ms(retention)

        def remove(session: Session, part: Sequence[str]) -> list[bool]:
            if not _are_as_seen(session, part, seen):
                return [False] * len(part)
            return _delete(session, part, status, now_ms, kept_until_ms)

        return await self._change(ids, remove)

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


def _are_as_seen(session: Session, part: Sequence[str], seen: str | None) -> bool:
    """Whether the tasks, locked from now on, are in the state `seen`; None is any."""
    if seen is None:
        return True
    lock_by_id(session, part)
    rows = session.fetch(_states, ids(part))
    found = [" ".join("" if each is None else str(each) for each in row) for row in rows]
    return found == [seen] * len(part)


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
                    queue=task.queue,
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


@query
def _states(rows: IncomingRows) -> "Select[Any]":
    """As `seen_state` writes them."""
    v = rows(tasks.c.id)
    columns = (tasks.c.status, tasks.c.attempt, tasks.c.updated_ms, tasks.c.due_ms, tasks.c.snoozes)
    return select(*columns).join(v, tasks.c.id == v.c.id)


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
