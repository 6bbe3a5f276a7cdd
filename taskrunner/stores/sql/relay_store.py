"""Due tasks, deadlines and retention on SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Executable, Select, func, literal, select

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import PUBLISHABLE, Status
from taskrunner.domain.value import replace
from taskrunner.stores.relay_store import RelayStore
from taskrunner.stores.sql.counts import fold_counts
from taskrunner.stores.sql.dead_letter_store import prune_dead_messages
from taskrunner.stores.sql.dedup_keys import prune_dedups
from taskrunner.stores.sql.fields import TableFields
from taskrunner.stores.sql.host_store import prune_hosts
from taskrunner.stores.sql.locked_task import (
    delete_bodies,
    delete_encoded,
    delete_tasks,
    lock,
    move_due,
    read_encoded,
    update_tasks,
)
from taskrunner.stores.sql.session import Row, Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import encoded_tasks, tasks
from taskrunner.stores.values import AttemptRef, Due

# One call of `take_due` brings at most this much, unless a single task is larger.
DUE_BYTES = 8 * 1024 * 1024
# How often the ledger of counts is summed up, in milliseconds of the caller's clock.
_FOLD_EVERY_MS = 1000
# The encoded tasks are read afterwards, for the rows that fit.
_DUE = TableFields(Due, tasks)
_OTHERS = (tasks.c.started_ms, tasks.c.consumer, func.length(encoded_tasks.c.encoded).label("size"))


class SqlRelayStore(SqlPart, RelayStore):
    _folded_ms = 0

    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        if limit < 1:
            return []
        again_ms = to_ms(now + timedelta(seconds=hold))

        def take(session: Session) -> list[Due]:
            rows = _within_bytes(session.fetch(lock_due, now=to_ms(now), limit=limit))
            move_due(session, [row[0] for row in rows], again_ms)
            return _read_due(session, rows)

        return await self._connection.write(take)

    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        due_ms = to_ms(due)

        def mark(session: Session, part: Sequence[AttemptRef]) -> list[None]:
            locked = lock(session, part)
            published, queued = [], []
            for ref in part:
                task = locked.get(ref.id)
                if task is None or task.status not in PUBLISHABLE or task.attempt + 1 != ref.attempt:
                    continue
                if task.snoozes != ref.snoozes:
                    continue
                if task.status is Status.QUEUED:
                    queued.append(ref.id)
                else:
                    published.append(ref.id)
                    task.move(session, Status.QUEUED)
            if published:
                session.run(set_queued, ids(published), now=to_ms(now), due=due_ms)
            move_due(session, queued, due_ms)
            return []

        await self._change(refs, mark)

    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        def postpone(session: Session, part: Sequence[AttemptRef]) -> list[None]:
            locked = lock(session, part)
            found = [(locked.get(ref.id), ref) for ref in part]
            queued = [
                ref.id
                for task, ref in found
                if task is not None and task.status is Status.QUEUED and task.waits_for(ref.attempt)
            ]
            move_due(session, queued, to_ms(due))
            return []

        await self._change(refs, postpone)

    async def past_deadline(self, *, now: datetime, limit: int) -> Sequence[Due]:
        """Locks nothing."""

        def look(session: Session) -> list[Due]:
            rows = session.fetch(_past_deadline, now=to_ms(now), limit=limit)
            return _read_due(session, _within_bytes(rows))

        return await self._connection.read(look)

    async def prune(self, *, now: datetime, limit: int) -> int:
        now_ms = to_ms(now)
        if abs(now_ms - self._folded_ms) >= _FOLD_EVERY_MS:
            self._folded_ms = now_ms
            await self._connection.write(fold_counts)
            await self._connection.write(lambda session: prune_hosts(session, now_ms, limit))

        def prune(session: Session) -> int:
            removed = _prune_tasks(session, now_ms, limit)
            removed += prune_dead_messages(session, now_ms, limit - removed)
            return max(removed, prune_dedups(session, now, limit))

        return await self._connection.write(prune)


def _within_bytes(rows: Sequence[Row]) -> list[Row]:
    """The earliest of `rows` that fit in `DUE_BYTES`; their last columns are a size and a time."""
    taken: list[Row] = []
    room = DUE_BYTES
    for row in sorted(rows, key=lambda row: (row[-1], row[0])):
        room -= row[-2]
        if taken and room < 0:
            break
        taken.append(row)
    return taken


def _read_due(session: Session, rows: Sequence[Row]) -> list[Due]:
    encoded = session.mapping(read_encoded, ids(row[0] for row in rows)) if rows else {}
    # A task that is not locked may have been removed between the two reads.
    return [_due(row, encoded[row[0]]) for row in rows if row[0] in encoded]


def _due(row: Row, encoded: str) -> Due:
    started_ms, consumer, *_ = row[len(_DUE.names) :]
    due = _DUE.value(row, encoded=encoded.encode())
    if due.status is not Status.RUNNING:
        return due
    running = Attempt(number=due.attempt, started_at=from_ms(started_ms), consumer=consumer)
    return replace(due, running=running)


def _prune_tasks(session: Session, now_ms: int, limit: int) -> int:
    found = session.fetch(lock_outlived, now=now_ms, limit=limit)
    if found:
        rows = ids(row[0] for row in found)
        session.run(delete_bodies, rows)
        session.run(delete_encoded, rows)
        session.run(delete_tasks, rows)
    for _, status in found:
        session.moved(status, None)
    return len(found)


def _select_due(time: "Column[Any]") -> "Select[Any]":
    found = select(*_DUE.columns, *_OTHERS, time).join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)
    return found.where(time <= parameter("now")).order_by(time).limit(parameter("limit"))


@query
def lock_due(_: IncomingRows) -> "Select[Any]":
    return _select_due(tasks.c.due_ms).with_for_update(of=tasks, skip_locked=True)


@query
def _past_deadline(_: IncomingRows) -> "Select[Any]":
    # Spelled out as in the partial index.
    waiting = _select_due(tasks.c.deadline_ms).where(tasks.c.deadline_ms.is_not(None))
    waiting = waiting.where(tasks.c.due_ms.is_not(None))
    return waiting.where(tasks.c.status != literal(Status.RUNNING.value, literal_execute=True))


@statement
def set_queued(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    return update_tasks(v, status=Status.QUEUED.value, due_ms=parameter("due"), updated_ms=parameter("now"))


@query
def lock_outlived(_: IncomingRows) -> "Select[Any]":
    return (
        select(tasks.c.id, tasks.c.status)
        .where(tasks.c.kept_until_ms <= parameter("now"))
        .order_by(tasks.c.kept_until_ms)
        .limit(parameter("limit"))
        .with_for_update(skip_locked=True)
    )
