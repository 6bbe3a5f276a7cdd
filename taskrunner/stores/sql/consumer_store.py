"""Claims, leases and settlements on SQL: lock the rows, decide by the status table, write the changes."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Executable, Select, and_, case, insert, null, select

from taskrunner.domain.clock import to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.settlement import Settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.consumer_store import (
    ClaimAnswer,
    Claimed,
    ConsumerStore,
    SnoozeRequest,
    check_settlement,
    follow_up_bytes,
    settlement_bytes,
)
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.sql.fields import TableFields, pack, text
from taskrunner.stores.sql.intake_store import accept
from taskrunner.stores.sql.locked_task import LockedTask, delete_bodies, lock, move_due, update_tasks
from taskrunner.stores.sql.session import Session, ids, parts
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import INT, TEXT, IncomingRows, packed_bytes, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, tasks
from taskrunner.stores.values import AttemptRef

_SETTLEMENT = TableFields(Settlement, tasks, without={"attempt"})
_SNOOZE = TableFields(SnoozeRequest, tasks)
_PROGRESS = TableFields(AttemptRef, tasks, without={"attempt", "follow_ups", "snoozes"})


class SqlConsumerStore(SqlPart, ConsumerStore):
    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        now_ms, due = to_ms(now), to_ms(lease_until)

        def claim(session: Session, part: Sequence[AttemptRef]) -> list[Claimed]:
            locked = lock(session, part)
            answers: list[Claimed] = []
            started: list[str] = []
            claimed: set[str] = set()
            for ref in part:
                task = locked.get(ref.id)
                answer = _claim_answer(task, ref, consumer, claimed, now_ms)
                if task is not None and answer is ClaimAnswer.CLAIMED:
                    claimed.add(ref.id)
                    if task.status is not Status.RUNNING:
                        started.append(ref.id)
                        task.move(session, Status.RUNNING)
                        task.attempt, task.consumer = ref.attempt, consumer
                answers.append(
                    Claimed(answer=answer, attempt_limit=0 if task is None else task.attempt_limit)
                )
            if started:
                session.run(start_attempts, ids(started), now=now_ms, due=due, consumer=consumer)
            return answers

        return await self._change(refs, claim)

    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        def renew(session: Session, part: Sequence[AttemptRef]) -> list[bool]:
            locked = lock(session, part)
            answers = [ref.id in locked and locked[ref.id].runs(ref.attempt) for ref in part]
            running = [ref.id for ref, runs in zip(part, answers, strict=True) if runs]
            move_due(session, running, to_ms(lease_until))
            told = [ref for ref, runs in zip(part, answers, strict=True) if runs and ref.progress is not None]
            if told:
                session.run(_keep_progress, list(map(_PROGRESS.row, told)))
                for ref in told:
                    session.changed(ref.id, Status.RUNNING)
            return answers

        return await self._change(refs, renew)

    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        def look(session: Session, part: Sequence[AttemptRef]) -> list[bool]:
            rows = session.fetch(_read_attempts, ids(dict.fromkeys(ref.id for ref in part)))
            found = {row[0]: (row[1], row[2]) for row in rows}
            running = [(Status.RUNNING.value, ref.attempt) for ref in part]
            return [found.get(ref.id, runs) == runs for ref, runs in zip(part, running, strict=True)]

        return await self._look(refs, look)

    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        now_ms = to_ms(now)

        def settle(session: Session, part: Sequence[Settlement]) -> list[bool]:
            rows = [_settlement_row(item, now_ms) for item in part]
            locked = lock(session, part)
            answers: list[bool] = []
            written: list[dict[str, Any]] = []
            settled: list[Settlement] = []
            for item, row in zip(part, rows, strict=True):
                task = locked.get(item.id)
                runs = task is not None and task.runs(item.attempt.number)
                answers.append(runs)
                if task is not None and runs:
                    task.move(session, item.status)
                    written.append(row)
                    settled.append(item)
            if written:
                session.run(settle_attempts, written, now=now_ms)
                _store_bodies(session, settled)
                _accept_follow_ups(session, [item.follow_ups for item in settled])
            return answers

        return await self._change(settlements, settle, settlement_bytes)

    async def snooze(self, snoozes: Sequence[SnoozeRequest], *, now: datetime) -> Sequence[bool]:
        def snooze(session: Session, part: Sequence[SnoozeRequest]) -> list[bool]:
            locked = lock(session, part)
            answers: list[bool] = []
            snoozed: dict[str, SnoozeRequest] = {}
            for item in part:
                task = locked.get(item.id)
                waits = task is not None and task.waits_for(item.attempt)
                answers.append(waits)
                if task is not None and waits:
                    task.move(session, Status.SCHEDULED)
                    snoozed[item.id] = item
            if snoozed:
                rows = [
                    _SNOOZE.row(item, counted=int(item.waits_for is not None)) for item in snoozed.values()
                ]
                session.run(_snooze_tasks, rows, now=to_ms(now))
            return answers

        return await self._change(snoozes, snooze)

    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        retention: float,
        past_deadline: bool = False,
    ) -> Sequence[bool]:
        failure = ending(Status.FAILED, reason, error, now, retention)
        return await self._change(
            refs,
            lambda session, part: end_waiting(session, part, failure, only_past_deadline=past_deadline),
            follow_up_bytes,
        )


def _claim_answer(
    task: LockedTask | None, ref: AttemptRef, consumer: str, claimed: set[str], now_ms: int
) -> ClaimAnswer:
    if task is None:
        return ClaimAnswer.UNKNOWN
    if task.runs(ref.attempt):
        # The same consumer claims again, since the first answer was lost.
        again = task.consumer == consumer and ref.id not in claimed
        return ClaimAnswer.CLAIMED if again else ClaimAnswer.HELD
    if not task.waits_for(ref.attempt):
        return ClaimAnswer.STALE
    return ClaimAnswer.PAST_DEADLINE if task.is_past_deadline(now_ms) else ClaimAnswer.CLAIMED


def _settlement_row(item: Settlement, now_ms: int) -> dict[str, Any]:
    check_settlement(item)
    return _SETTLEMENT.row(
        replace(item, result=item.result and replace(item.result, body=b"")),
        kept_until_ms=now_ms + retention_ms(item.keep) if item.due is None else None,
        attempts=encode(item.attempt).decode() + "\n",
        more_attempts=0 if item.attempt.counted else 1,
    )


def _store_bodies(session: Session, settled: Sequence[Settlement]) -> None:
    """An empty body is not stored. The body of an earlier attempt is removed."""
    later = [item.id for item in settled if item.attempt.number > 1]
    if later:
        session.run(delete_bodies, ids(later))
    found = [(item.id, item.result.body) for item in settled if item.result is not None and item.result.body]
    if found:
        rows = pack(ids(task_id for task_id, _ in found), [body for _, body in found])
        session.run(_insert_bodies, rows["rows"], content=rows["content"])


def _accept_follow_ups(session: Session, follow_ups: Sequence[Sequence[NewTask]]) -> None:
    # One task may be followed by dozens: more than one statement can carry.
    for part in parts([*chain.from_iterable(follow_ups)], lambda each: len(each.encoded)):
        accept(session, part)


def ending(status: Status, reason: str, error: str, now: datetime, retention: float) -> dict[str, Any]:
    """What `end_waiting` writes."""
    now_ms = to_ms(now)
    return {
        "status": status.value,
        "reason": text(reason),
        "error": text(error),
        "now": now_ms,
        "kept_until": now_ms + retention_ms(retention),
    }


def end_waiting(
    session: Session, part: Sequence[AttemptRef], end: dict[str, Any], *, only_past_deadline: bool = False
) -> list[bool]:
    """End tasks that wait for these attempts, see `ConsumerStore.fail`."""
    locked = lock(session, part)
    answers: list[bool] = []
    ended: list[AttemptRef] = []
    for ref in part:
        task = locked.get(ref.id)
        ends = (
            task is not None
            and task.waits_for(ref.attempt)
            and (not only_past_deadline or task.is_past_deadline(end["now"]))
        )
        answers.append(ends)
        if task is not None and ends:
            task.move(session, Status(end["status"]))
            ended.append(ref)
    if ended:
        session.run(_end_tasks, ids(ref.id for ref in ended), **end)
        _accept_follow_ups(session, [ref.follow_ups for ref in ended])
    return answers


@statement
def start_attempts(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    now = parameter("now")
    return update_tasks(
        v,
        status=Status.RUNNING.value,
        attempt=tasks.c.attempt + 1,
        due_ms=parameter("due"),
        updated_ms=now,
        started_ms=now,
        consumer=parameter("consumer", TEXT),
    )


@query
def _read_attempts(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    return select(tasks.c.id, tasks.c.status, tasks.c.attempt).join(v, tasks.c.id == v.c.id)


@statement
def settle_attempts(rows: IncomingRows) -> Executable:
    v = rows(*_SETTLEMENT.columns, tasks.c.kept_until_ms, tasks.c.attempts, more_attempts=INT)
    written = {name: v.c[name] for name in _SETTLEMENT.names if name != "id"}
    return update_tasks(
        v,
        **written,
        kept_until_ms=v.c.kept_until_ms,
        updated_ms=parameter("now"),
        attempts=tasks.c.attempts + v.c.attempts,
        attempt_limit=tasks.c.attempt_limit + v.c.more_attempts,
        snoozes=tasks.c.snoozes + case((v.c.status == Status.SCHEDULED.value, 1), else_=0),
        started_ms=null(),
        consumer=null(),
    )


@statement
def _insert_bodies(rows: IncomingRows) -> Executable:
    v = rows(bodies.c.id, start=INT, size=INT)
    return insert(bodies).from_select(["id", "body"], select(v.c.id, packed_bytes(v)))


@statement
def _keep_progress(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id, tasks.c.progress)
    return update_tasks(v, progress=v.c.progress)


@statement
def _snooze_tasks(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id, tasks.c.due_ms, tasks.c.waits_for, counted=INT)
    # A row that is already so was written by this very call, sent again since its first answer was lost.
    is_so = and_(
        tasks.c.status == Status.SCHEDULED.value,
        tasks.c.due_ms == v.c.due_ms,
        tasks.c.waits_for == v.c.waits_for,
    )
    return update_tasks(
        v,
        status=Status.SCHEDULED.value,
        due_ms=v.c.due_ms,
        updated_ms=parameter("now"),
        waits_for=v.c.waits_for,
        snoozes=tasks.c.snoozes + case((is_so, 0), else_=v.c.counted),
    )


@statement
def _end_tasks(rows: IncomingRows) -> Executable:
    v = rows(tasks.c.id)
    return update_tasks(
        v,
        status=parameter("status", TEXT),
        due_ms=null(),
        kept_until_ms=parameter("kept_until"),
        updated_ms=parameter("now"),
        error=parameter("error", TEXT),
        reason=parameter("reason", TEXT),
    )
