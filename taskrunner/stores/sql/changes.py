"""The changes of tasks' states: lock the rows, decide by the status table, write what is to change.

Law: each function runs in one transaction and holds the locks of all rows that it decides on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taskrunner.domain.status import CLAIMABLE, PUBLISHABLE, Status
from taskrunner.domain.task import Priority
from taskrunner.stores.base import (
    AcceptAnswer,
    Accepted,
    AttemptRef,
    ClaimAnswer,
    Claimed,
    Due,
    NewTask,
    Settlement,
    Snooze,
)
from taskrunner.stores.sql import values
from taskrunner.stores.sql.session import Row, Session, parts
from taskrunner.stores.sql.statements import Statements

# What one call of `take_due` brings at most, beyond a single large task.
DUE_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class State:
    """A locked row, kept up to date while its batch is decided. `status` is None for a deleted task."""

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

    def is_in_time(self, now: int) -> bool:
        return self.deadline_ms is None or now < self.deadline_ms

    def runs(self, attempt: int) -> bool:
        return self.status is Status.RUNNING and self.attempt == attempt


def accept(session: Session, sql: Statements, tasks: Sequence[NewTask]) -> list[Accepted]:
    """A race with another process for an id or a key ends in a unique violation: to be tried again."""
    answers: list[Accepted] = []
    for part in parts(tasks, lambda task: len(task.encoded)):
        known = session.mapping(sql.existing, [{"id": task.id} for task in part])
        keys = [{"key": values.text(task.idempotency_key)} for task in part if task.idempotency_key]
        holders = {row[0]: (row[1], row[2]) for row in session.fetch(sql.keyed, keys)} if keys else {}
        created: list[NewTask] = []
        for task in part:
            answers.append(_accepted(task, known, holders))
            if answers[-1].answer is AcceptAnswer.CREATED:
                created.append(task)
                known[task.id] = Status.SCHEDULED.value
                if task.idempotency_key:
                    holders[values.text(task.idempotency_key)] = (task.id, values.text(task.fingerprint))
        if created:
            session.run(sql.insert_tasks, [values.new_task(task) for task in created])
            session.run(
                sql.insert_specs, [{"id": task.id, "spec": task.encoded.decode()} for task in created]
            )
        for _ in created:
            session.moved(None, Status.SCHEDULED)
    return answers


def _accepted(task: NewTask, known: dict[str, str], holders: dict[str, tuple[str, str]]) -> Accepted:
    holder = holders.get(values.text(task.idempotency_key)) if task.idempotency_key else None
    if holder is not None and holder[1] != values.text(task.fingerprint):
        return Accepted(id=holder[0], answer=AcceptAnswer.CONFLICT)
    if holder is not None:
        return Accepted(id=holder[0], answer=AcceptAnswer.EXISTS)
    status = known.get(task.id)
    if status == values.DELETED:
        return Accepted(id=task.id, answer=AcceptAnswer.CONFLICT)
    return Accepted(id=task.id, answer=AcceptAnswer.CREATED if status is None else AcceptAnswer.EXISTS)


def mark_queued(session: Session, sql: Statements, refs: Sequence[AttemptRef], *, now: int, due: int) -> None:
    for part in parts(refs):
        states = _lock(session, sql, [ref.id for ref in part])
        moved, stay = [], []
        for ref in part:
            state = states.get(ref.id)
            if state is None or state.status not in PUBLISHABLE or state.attempt + 1 != ref.attempt:
                continue
            if state.snoozes != ref.snoozes:
                continue
            if state.status is Status.QUEUED:
                stay.append(ref.id)
            else:
                moved.append(ref.id)
                _move(session, state, Status.QUEUED)
        if moved:
            session.run(sql.mark_queued, _ids(moved), now=now, due=due)
        if stay:
            session.run(sql.move_due, _ids(stay), due=due)


def claim(
    session: Session, sql: Statements, refs: Sequence[AttemptRef], *, now: int, due: int, consumer: str
) -> list[Claimed]:
    answers: list[Claimed] = []
    for part in parts(refs):
        states = _lock(session, sql, [ref.id for ref in part])
        started: list[str] = []
        told: set[str] = set()
        for ref in part:
            state = states.get(ref.id)
            answer = _claimed(state, ref, consumer, told, now)
            if answer is ClaimAnswer.CLAIMED:
                told.add(ref.id)
            if state is not None and answer is ClaimAnswer.CLAIMED and state.waits_for(ref.attempt):
                started.append(ref.id)
                _move(session, state, Status.RUNNING)
                state.attempt, state.consumer = ref.attempt, consumer
            answers.append(Claimed(answer=answer, attempt_limit=0 if state is None else state.attempt_limit))
        if started:
            session.run(sql.claim, _ids(started), now=now, due=due, consumer=consumer)
    return answers


def _claimed(state: State | None, ref: AttemptRef, consumer: str, told: set[str], now: int) -> ClaimAnswer:
    if state is None:
        return ClaimAnswer.UNKNOWN
    if state.runs(ref.attempt):
        # The same consumer: it claims again, since the first answer got lost.
        again = state.consumer == consumer and ref.id not in told
        return ClaimAnswer.CLAIMED if again else ClaimAnswer.HELD
    if not state.waits_for(ref.attempt):
        return ClaimAnswer.STALE
    return ClaimAnswer.CLAIMED if state.is_in_time(now) else ClaimAnswer.EXPIRED


def renew(session: Session, sql: Statements, refs: Sequence[AttemptRef], *, due: int) -> list[bool]:
    answers: list[bool] = []
    for part in parts(refs):
        states = _lock(session, sql, [ref.id for ref in part])
        run = [ref.id in states and states[ref.id].runs(ref.attempt) for ref in part]
        ids = [ref.id for ref, runs in zip(part, run, strict=True) if runs]
        if ids:
            session.run(sql.move_due, _ids(ids), due=due)
        answers += run
    return answers


def settle(session: Session, sql: Statements, items: Sequence[Settlement], *, now: int) -> list[bool]:
    answers: list[bool] = []
    for part in parts(items, _settlement_bytes):
        rows = [values.settlement(item, now) for item in part]
        states = _lock(session, sql, [item.id for item in part])
        written: list[dict[str, Any]] = []
        ended: list[Settlement] = []
        for item, row in zip(part, rows, strict=True):
            state = states.get(item.id)
            runs = state is not None and state.runs(item.attempt.number)
            answers.append(runs)
            if state is not None and runs:
                _move(session, state, item.status)
                written.append(row)
                ended.append(item)
        if written:
            session.run(sql.settle, written, now=now)
            _store_bodies(session, sql, ended)
            _follow(session, sql, ended)
    return answers


def _follow(session: Session, sql: Statements, ended: Sequence[Settlement] | Sequence[AttemptRef]) -> None:
    follow_ups = [item.follow_up for item in ended if item.follow_up is not None]
    if follow_ups:
        accept(session, sql, follow_ups)


def _store_bodies(session: Session, sql: Statements, ended: Sequence[Settlement]) -> None:
    """An empty body is not stored. What an earlier attempt has left goes."""
    later = [item.id for item in ended if item.attempt.number > 1]
    if later:
        session.run(sql.delete_bodies, _ids(later))
    bodies = [(item.id, item.result.body) for item in ended if item.result is not None and item.result.body]
    if bodies:
        content, rows = values.pack(_ids([task_id for task_id, _ in bodies]), [body for _, body in bodies])
        session.run(sql.insert_bodies, rows, pack=content)


def _settlement_bytes(item: Settlement) -> int:
    return len(item.result.body) if item.result is not None else 0


def take_due(session: Session, sql: Statements, *, now: int, limit: int, again: int) -> list[Due]:
    """Fewer than `limit`, though more are due, when these alone are several MiB or others hold them."""
    rows = sorted(session.fetch(sql.lock_due, now=now, limit=limit), key=lambda row: (row[1], row[0]))
    taken = _within_bytes(rows)
    if not taken:
        return []
    ids = _ids([row[0] for row in taken])
    session.run(sql.move_due, ids, due=again)
    specs = session.mapping(sql.specs, ids)
    return [values.due(row, specs[row[0]]) for row in taken]


def expired(session: Session, sql: Statements, *, now: int, limit: int) -> list[Due]:
    """Nothing is changed or locked."""
    rows = sorted(session.fetch(sql.expired, now=now, limit=limit), key=lambda row: (row[1], row[0]))
    taken = _within_bytes(rows)
    specs = session.mapping(sql.specs, _ids([row[0] for row in taken])) if taken else {}
    # One may have been removed between the two reads.
    return [values.due(row, specs[row[0]]) for row in taken if row[0] in specs]


def _within_bytes(rows: Sequence[Row]) -> list[Row]:
    """The first of `rows`, whose third column is a size."""
    taken: list[Row] = []
    room = DUE_BYTES
    for row in rows:
        room -= row[2]
        if taken and room < 0:
            break
        taken.append(row)
    return taken


def postpone(session: Session, sql: Statements, refs: Sequence[AttemptRef], *, due: int) -> None:
    for part in parts(refs):
        states = _lock(session, sql, [ref.id for ref in part])
        ids = [
            ref.id
            for ref in part
            if ref.id in states
            and states[ref.id].status is Status.QUEUED
            and states[ref.id].waits_for(ref.attempt)
        ]
        if ids:
            session.run(sql.move_due, _ids(ids), due=due)


def snooze(session: Session, sql: Statements, items: Sequence[Snooze], *, now: int) -> list[bool]:
    answers: list[bool] = []
    for part in parts(items):
        states = _lock(session, sql, [item.id for item in part])
        snoozed: dict[str, Snooze] = {}
        for item in part:
            state = states.get(item.id)
            waits = state is not None and state.waits_for(item.attempt)
            answers.append(waits)
            if state is not None and waits:
                _move(session, state, Status.SCHEDULED)
                snoozed[item.id] = item
        if snoozed:
            session.run(sql.snooze, [values.snooze(item) for item in snoozed.values()], now=now)
    return answers


def still_running(session: Session, sql: Statements, refs: Sequence[AttemptRef]) -> list[bool]:
    answers: list[bool] = []
    for part in parts(refs):
        rows = session.fetch(sql.standings, _ids(dict.fromkeys(ref.id for ref in part)))
        standings = {row[0]: (row[1], row[2]) for row in rows}
        for ref in part:
            running = (Status.RUNNING.value, ref.attempt)
            answers.append(standings.get(ref.id, running) == running)
    return answers


def delete(
    session: Session, sql: Statements, ids: Sequence[str], *, status: Status | None, now: int, expires: int
) -> list[bool]:
    """What remains is a row without a request, which no read shows."""
    answers: list[bool] = []
    for part in parts(ids):
        states = _lock(session, sql, part)
        deleted: list[str] = []
        for task_id in part:
            state = states.get(task_id)
            there = state is not None and state.status is not None and status in {None, state.status}
            answers.append(there)
            if state is not None and there:
                session.moved(state.status, values.DELETED)
                state.status = None
                deleted.append(task_id)
        if deleted:
            session.run(sql.delete_bodies, _ids(deleted))
            session.run(sql.delete_specs, _ids(deleted))
            session.run(sql.mark_deleted, _ids(deleted), now=now, expires=expires)
    return answers


def finish(
    session: Session,
    sql: Statements,
    refs: Sequence[AttemptRef],
    *,
    status: Status,
    now: int,
    reason: str,
    error: str,
    expires: int,
    expired: bool = False,
) -> list[bool]:
    answers: list[bool] = []
    for part in parts(refs):
        states = _lock(session, sql, [ref.id for ref in part])
        finished: list[AttemptRef] = []
        for ref in part:
            state = states.get(ref.id)
            ends = (
                state is not None
                and state.waits_for(ref.attempt)
                and (not expired or not state.is_in_time(now))
            )
            answers.append(ends)
            if state is not None and ends:
                _move(session, state, status)
                finished.append(ref)
        if finished:
            ending = {"reason": reason, "error": error, "expires": expires}
            session.run(
                sql.finish, _ids([ref.id for ref in finished]), status=status.value, now=now, **ending
            )
            _follow(session, sql, finished)
    return answers


def requeue(session: Session, sql: Statements, ids: Sequence[str], *, now: int, due: int) -> list[Due | None]:
    answers: list[Due | None] = []
    for part in parts(ids):
        states = _lock(session, sql, part)
        requeued = [task_id for task_id in dict.fromkeys(part) if _is_failed(states.get(task_id))]
        specs = session.mapping(sql.specs, _ids(requeued)) if requeued else {}
        if requeued:
            session.run(sql.requeue, _ids(requeued), now=now, due=due)
        for task_id in part:
            state = states.get(task_id)
            if state is None or not _is_failed(state):
                answers.append(None)
                continue
            _move(session, state, Status.SCHEDULED)
            answers.append(
                Due(
                    id=task_id,
                    status=Status.SCHEDULED,
                    attempt=state.attempt,
                    attempt_limit=state.attempt + state.max_attempts,
                    queue=Priority(state.queue),
                    encoded=specs[task_id].encode(),
                    snoozes=state.snoozes,
                )
            )
    return answers


def _is_failed(state: State | None) -> bool:
    return state is not None and state.status is Status.FAILED


def _lock(session: Session, sql: Statements, ids: Sequence[str]) -> dict[str, State]:
    rows = session.fetch(sql.lock_states, _ids(dict.fromkeys(ids)))
    return {row[0]: State(values.status(row[1]), *row[2:]) for row in rows}


def _move(session: Session, state: State, status: Status) -> None:
    session.moved(state.status, status)
    state.status = status


def _ids(ids: "Sequence[str] | dict[str, None]") -> list[dict[str, str]]:
    return [{"id": task_id} for task_id in ids]
