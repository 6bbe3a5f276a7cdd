"""Intake on SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Select, insert, literal, select

from taskrunner.domain.clock import to_ms
from taskrunner.domain.errors import WriteUnconfirmed
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.intake_store import AcceptAnswer, Accepted, IntakeStore
from taskrunner.stores.sql.dedup_keys import DedupKeys, hold
from taskrunner.stores.sql.fields import TableFields, text
from taskrunner.stores.sql.locked_task import DELETED
from taskrunner.stores.sql.session import Session, ids, parts
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import IncomingRows, query, statement
from taskrunner.stores.sql.tables import encoded_tasks, tasks

_NEW_TASK = TableFields(NewTask, tasks, properties=("max_attempts", "created_at", "deadline", "namespace"))
_COLUMNS = [*_NEW_TASK.columns, tasks.c.attempt_limit, tasks.c.updated_ms]


class SqlIntakeStore(SqlPart, IntakeStore):
    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        return await self._change(tasks, accept, lambda task: len(task.encoded))

    async def accept_all(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        return await self._connection.write(lambda session: _accept_all(session, tasks))

    async def foresee(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        return await self._connection.read(lambda session: judge(session, tasks, locking=False))

    async def check_replicas(self) -> None:
        await self._connection.check_replicas()

    async def replicate(self, ids: Sequence[str]) -> None:
        await self._connection.replicate()
        written = list(dict.fromkeys(ids))
        found = await self._connection.read(lambda session: _count_existing(session, written))
        if found < len(written):
            raise WriteUnconfirmed(
                f"{len(written) - found} of {len(written)} records that were written "
                f"are not in {self.name}: another server took its place"
            )


def accept(session: Session, part: Sequence[NewTask]) -> list[Accepted]:
    """A race with another process for an id or a key ends in a unique violation, and is tried again."""
    answers = judge(session, part)
    write(session, part, answers)
    return answers


def _accept_all(session: Session, tasks: Sequence[NewTask]) -> list[Accepted]:
    answers = judge(session, tasks)
    if all(each.answer is AcceptAnswer.CREATED for each in answers):
        write(session, tasks, answers)
    return answers


def judge(session: Session, part: Sequence[NewTask], *, locking: bool = True) -> list[Accepted]:
    """The answer to each, as if those before it were written; `locking` what the answers depend on."""
    known = session.mapping(_existing, ids(task.id for task in part))
    keys = [{"idempotency_key": text(task.idempotency_key)} for task in part if task.idempotency_key]
    holders = {row[0]: (row[1], row[2]) for row in session.fetch(_keyed, keys)} if keys else {}
    keyed = [task for task in part if task.dedup_key is not None]
    dedup_keys = DedupKeys.of(session, keyed, locking=locking) if keyed else None
    answers: list[Accepted] = []
    for task in part:
        answer = _accepted(task, known, holders)
        if dedup_keys is not None and answer.answer is AcceptAnswer.CREATED:
            answer = dedup_keys.judged(task, answer)
        answers.append(answer)
        if answer.answer is AcceptAnswer.CREATED:
            known[task.id] = Status.SCHEDULED.value
            if task.idempotency_key:
                holders[text(task.idempotency_key)] = (task.id, text(task.fingerprint))
    if dedup_keys is not None and locking:
        dedup_keys.forget_free(session)
    return answers


def write(session: Session, part: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    pairs = zip(part, answers, strict=True)
    created = [task for task, accepted in pairs if accepted.answer is AcceptAnswer.CREATED]
    if created:
        session.run(_insert_tasks, [_row(task) for task in created])
        session.run(_insert_encoded, [{"id": task.id, "encoded": task.encoded.decode()} for task in created])
        if keyed := [task for task in created if task.dedup_key is not None]:
            hold(session, keyed)
    for task in created:
        session.moved(None, Status.SCHEDULED)
        session.changed(task.id, Status.SCHEDULED)


def _accepted(task: NewTask, known: dict[str, str], holders: dict[str, tuple[str, str]]) -> Accepted:
    holder = holders.get(text(task.idempotency_key)) if task.idempotency_key else None
    if holder is not None:
        same = holder[1] == text(task.fingerprint)
        return Accepted(id=holder[0], answer=AcceptAnswer.EXISTS if same else AcceptAnswer.CONFLICT)
    status = known.get(task.id)
    if status == DELETED:
        return Accepted(id=task.id, answer=AcceptAnswer.CONFLICT)
    return Accepted(id=task.id, answer=AcceptAnswer.CREATED if status is None else AcceptAnswer.EXISTS)


def _row(task: NewTask) -> dict[str, Any]:
    limit = max(task.max_attempts, task.attempt + 1)
    return _NEW_TASK.row(task, attempt_limit=limit, updated_ms=to_ms(task.created_at))


def _count_existing(session: Session, written: Sequence[str]) -> int:
    return sum(len(session.fetch(_existing, ids(part))) for part in parts(written))


@query
def _existing(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    return select(tasks.c.id, tasks.c.status).join(v, tasks.c.id == v.c.id)


@query
def _keyed(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.idempotency_key)
    found = select(tasks.c.idempotency_key, tasks.c.id, tasks.c.fingerprint)
    return found.join(v, tasks.c.idempotency_key == v.c.idempotency_key)


@statement
def _insert_tasks(rows: IncomingRows) -> Executable:
    v = rows(*_COLUMNS)
    fixed = {"status": literal(Status.SCHEDULED.value), "attempts": literal("")}
    names = [column.name for column in _COLUMNS]
    query = select(*(v.c[name] for name in names), *fixed.values())
    return insert(tasks).from_select([*names, *fixed], query)


@statement
def _insert_encoded(rows: IncomingRows) -> Executable:
    v = rows(*encoded_tasks.c)
    return insert(encoded_tasks).from_select(["id", "encoded"], select(v.c.id, v.c.encoded))
