"""Every statement, built once per store. Each takes its batch as the parameter `rows`, see `session`."""

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    tuple_,
    update,
)
from sqlalchemy.types import TypeEngine

from taskrunner.domain.status import Status
from taskrunner.stores.sql.session import answer, incoming
from taskrunner.stores.sql.tables import bodies, counts, letters, pauses, specs, tasks
from taskrunner.stores.sql.values import DELETED

_TEXT, _INT, _BIG = Text(), Integer(), BigInteger()

_RECORD = (
    tasks.c.id,
    tasks.c.status,
    tasks.c.attempt,
    tasks.c.attempt_limit,
    tasks.c.due_ms,
    tasks.c.updated_ms,
    tasks.c.kept_until_ms,
    tasks.c.started_ms,
    tasks.c.consumer,
    tasks.c.error,
    tasks.c.reason,
    tasks.c.attempts,
    tasks.c.result,
    specs.c.spec,
    tasks.c.snoozes,
    tasks.c.why,
)
_LETTER = (
    letters.c.id,
    letters.c.died_ms,
    letters.c.reason,
    letters.c.error,
    letters.c.queue,
    letters.c.url,
    letters.c.attempt,
    letters.c.x_death,
)


def _parameter(name: str, kind: TypeEngine[Any] = _BIG) -> Any:
    return bindparam(name, type_=kind)


@cache
def statements(dialect: str) -> "Statements":
    """The statements of a dialect. They never change, and take 10 ms to build."""
    return Statements(dialect)


class Statements:
    """The statements in one dialect. Locked rows are taken in the order of their ids: no deadlocks."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._build_accept()
        self._build_changes()
        self._build_due()
        self._build_reads()
        self._build_letters()
        self._build_pauses()
        self._build_removals()

    def _rows(self, **columns: TypeEngine[Any]) -> Any:
        return incoming(self._dialect, columns)

    def _answer(self, query: "Select[Any]") -> Any:
        return answer(self._dialect, query)

    def _build_accept(self) -> None:
        v = self._rows(id=_TEXT)
        self.existing = self._answer(select(tasks.c.id, tasks.c.status).join(v, tasks.c.id == v.c.id))
        v = self._rows(key=_TEXT)
        self.keyed = self._answer(
            select(tasks.c.idempotency_key, tasks.c.id, tasks.c.fingerprint).join(
                v, tasks.c.idempotency_key == v.c.key
            )
        )
        columns: dict[str, TypeEngine[Any]] = {
            "id": _TEXT,
            "queue": _TEXT,
            "attempt": _INT,
            "attempt_limit": _INT,
            "max_attempts": _INT,
            "updated_ms": _BIG,
            "due_ms": _BIG,
            "idempotency_key": _TEXT,
            "fingerprint": _TEXT,
            "deadline_ms": _BIG,
        }
        v = self._rows(**columns)
        fixed = {"status": literal(Status.SCHEDULED.value), "attempts": literal("")}
        query = select(*(v.c[name] for name in columns), *fixed.values())
        self.insert_tasks = insert(tasks).from_select([*columns, *fixed], query)
        v = self._rows(id=_TEXT, spec=_TEXT)
        self.insert_specs = insert(specs).from_select(["id", "spec"], select(v.c.id, v.c.spec))
        v = self._rows(status=_TEXT, delta=_BIG)
        self.insert_counts = insert(counts).from_select(["status", "delta"], select(v.c.status, v.c.delta))

    def _build_changes(self) -> None:
        v = self._rows(id=_TEXT)
        self.lock_states = self._answer(
            select(
                tasks.c.id,
                tasks.c.status,
                tasks.c.attempt,
                tasks.c.attempt_limit,
                tasks.c.consumer,
                tasks.c.queue,
                tasks.c.max_attempts,
                tasks.c.deadline_ms,
                func.coalesce(tasks.c.snoozes, 0).label("snoozes"),
            )
            .join(v, tasks.c.id == v.c.id)
            .order_by(tasks.c.id)
            .with_for_update(of=tasks)
        )
        now, due = _parameter("now"), _parameter("due")
        chosen = tasks.c.id == v.c.id
        self.mark_queued = (
            update(tasks).where(chosen).values(status=Status.QUEUED.value, due_ms=due, updated_ms=now)
        )
        self.move_due = update(tasks).where(chosen).values(due_ms=due)
        self.claim = (
            update(tasks)
            .where(chosen)
            .values(
                status=Status.RUNNING.value,
                attempt=tasks.c.attempt + 1,
                due_ms=due,
                updated_ms=now,
                started_ms=now,
                consumer=_parameter("consumer", _TEXT),
            )
        )
        self.standings = self._answer(
            select(tasks.c.id, tasks.c.status, tasks.c.attempt).join(v, tasks.c.id == v.c.id)
        )
        self.finish = (
            update(tasks)
            .where(chosen)
            .values(
                status=_parameter("status", _TEXT),
                due_ms=null(),
                kept_until_ms=_parameter("expires"),
                updated_ms=now,
                error=_parameter("error", _TEXT),
                reason=_parameter("reason", _TEXT),
            )
        )
        self.requeue = (
            update(tasks)
            .where(chosen)
            .values(
                status=Status.SCHEDULED.value,
                attempt_limit=tasks.c.attempt + tasks.c.max_attempts,
                due_ms=due,
                kept_until_ms=null(),
                updated_ms=now,
                reason=null(),
                deadline_ms=null(),
                why=null(),
            )
        )
        self._build_snooze()
        self._build_settle()

    def _build_snooze(self) -> None:
        v = self._rows(id=_TEXT, due=_BIG, why=_TEXT, more=_INT)
        # One that is so already is this very call, sent again since its first answer got lost.
        is_so = and_(
            tasks.c.status == Status.SCHEDULED.value, tasks.c.due_ms == v.c.due, tasks.c.why == v.c.why
        )
        self.snooze = (
            update(tasks)
            .where(tasks.c.id == v.c.id)
            .values(
                status=Status.SCHEDULED.value,
                due_ms=v.c.due,
                updated_ms=_parameter("now"),
                why=v.c.why,
                snoozes=func.coalesce(tasks.c.snoozes, 0) + case((is_so, 0), else_=v.c.more),
            )
        )

    def _build_settle(self) -> None:
        v = self._rows(
            id=_TEXT,
            status=_TEXT,
            due=_BIG,
            expires=_BIG,
            error=_TEXT,
            reason=_TEXT,
            result=_TEXT,
            line=_TEXT,
            more=_INT,
        )
        self.settle = (
            update(tasks)
            .where(tasks.c.id == v.c.id)
            .values(
                status=v.c.status,
                due_ms=v.c.due,
                kept_until_ms=v.c.expires,
                updated_ms=_parameter("now"),
                error=v.c.error,
                reason=v.c.reason,
                result=v.c.result,
                attempts=tasks.c.attempts + v.c.line,
                attempt_limit=tasks.c.attempt_limit + v.c.more,
                started_ms=null(),
                consumer=null(),
            )
        )
        v = self._rows(id=_TEXT)
        self.delete_bodies = delete(bodies).where(bodies.c.id.in_(select(v.c.id)))
        # All bodies come as one value: each is cut out of it by its place.
        v = self._rows(id=_TEXT, start=_INT, size=_INT)
        pack = bindparam("pack", type_=LargeBinary())
        self.insert_bodies = insert(bodies).from_select(
            ["id", "body"], select(v.c.id, func.substr(pack, v.c.start, v.c.size, type_=LargeBinary()))
        )

    def _build_due(self) -> None:
        rest = (
            func.length(specs.c.spec).label("size"),
            tasks.c.status,
            tasks.c.attempt,
            tasks.c.attempt_limit,
            tasks.c.queue,
            tasks.c.started_ms,
            tasks.c.consumer,
            func.coalesce(tasks.c.snoozes, 0).label("snoozes"),
        )
        self.lock_due = self._answer(
            select(tasks.c.id, tasks.c.due_ms, *rest)
            .join(specs, specs.c.id == tasks.c.id)
            .where(tasks.c.due_ms <= _parameter("now"))
            .order_by(tasks.c.due_ms)
            .limit(_parameter("limit"))
            .with_for_update(of=tasks, skip_locked=True)
        )
        self.expired = self._answer(
            select(tasks.c.id, tasks.c.deadline_ms, *rest)
            .join(specs, specs.c.id == tasks.c.id)
            .where(tasks.c.deadline_ms <= _parameter("now"))
            .where(tasks.c.deadline_ms.is_not(None), tasks.c.due_ms.is_not(None))
            .where(tasks.c.status != literal(Status.RUNNING.value, literal_execute=True))
            .order_by(tasks.c.deadline_ms)
            .limit(_parameter("limit"))
        )
        v = self._rows(id=_TEXT)
        self.specs = self._answer(select(specs.c.id, specs.c.spec).join(v, specs.c.id == v.c.id))

    def _build_reads(self) -> None:
        records = select(*_RECORD).join(specs, specs.c.id == tasks.c.id)
        self.record = self._answer(records.where(tasks.c.id == _parameter("id", _TEXT)))
        before = tasks.c.id < _parameter("before", _TEXT)
        page = records.order_by(tasks.c.id.desc()).limit(_parameter("limit"))
        of_status = tasks.c.status == _parameter("status", _TEXT)
        self.newest = self._answer(page)
        self.newer = self._answer(page.where(before))
        self.newest_of = self._answer(page.where(of_status))
        self.newer_of = self._answer(page.where(of_status, before))
        self.body = (
            select(bodies.c.body, tasks.c.result.is_not(None))
            .select_from(tasks.outerjoin(bodies, bodies.c.id == tasks.c.id))
            .where(tasks.c.id == _parameter("id", _TEXT))
        )
        # PostgreSQL sums bigint to numeric, which the driver would give as a Decimal.
        total = cast(func.sum(counts.c.delta), BigInteger)
        self.counts = self._answer(select(counts.c.status, total.label("total")).group_by(counts.c.status))

    def _build_letters(self) -> None:
        v = self._rows(id=_TEXT)
        self.delete_letters = delete(letters).where(letters.c.id.in_(select(v.c.id)))
        columns: dict[str, TypeEngine[Any]] = {
            "id": _TEXT,
            "died_ms": _BIG,
            "kept_until_ms": _BIG,
            "reason": _TEXT,
            "error": _TEXT,
            "queue": _TEXT,
            "url": _TEXT,
            "attempt": _INT,
            "x_death": _TEXT,
        }
        v = self._rows(**columns, start=_INT, size=_INT)
        pack = bindparam("pack", type_=LargeBinary())
        raw = func.substr(pack, v.c.start, v.c.size, type_=LargeBinary())
        self.insert_letters = insert(letters).from_select(
            [*columns, "raw"], select(*(v.c[name] for name in columns), raw)
        )
        self.letter = select(*_LETTER, letters.c.raw).where(letters.c.id == _parameter("id", _TEXT))
        place = tuple_(_parameter("died"), _parameter("before", _TEXT))
        limit = _parameter("limit")
        self.dead_messages = self._answer(
            select(*_LETTER)
            .where(tuple_(letters.c.died_ms, letters.c.id) < place)
            .order_by(letters.c.died_ms.desc(), letters.c.id.desc())
            .limit(limit)
        )
        self.dead_tasks = self._answer(
            select(*_RECORD)
            .join(specs, specs.c.id == tasks.c.id)
            .where(tasks.c.status == literal(Status.FAILED.value, literal_execute=True))
            .where(tuple_(tasks.c.updated_ms, tasks.c.id) < place)
            .order_by(tasks.c.updated_ms.desc(), tasks.c.id.desc())
            .limit(limit)
        )

    def _build_pauses(self) -> None:
        scope = _parameter("scope", _TEXT)
        known = select(pauses.c.scope).where(pauses.c.scope == scope).exists()
        self.pause = insert(pauses).from_select(
            ["scope", "since_ms"], select(scope, _parameter("since")).where(~known)
        )
        self.resume = delete(pauses).where(pauses.c.scope == scope)
        self.pauses = self._answer(select(pauses.c.scope, pauses.c.since_ms))

    def _build_removals(self) -> None:
        now, limit = _parameter("now"), _parameter("limit")
        self.lock_expired_tasks = self._answer(
            select(tasks.c.id, tasks.c.status)
            .where(tasks.c.kept_until_ms <= now)
            .order_by(tasks.c.kept_until_ms)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        self.lock_expired_letters = self._answer(
            select(letters.c.id)
            .where(letters.c.kept_until_ms <= now)
            .order_by(letters.c.kept_until_ms)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        v = self._rows(id=_TEXT)
        self.delete_tasks = delete(tasks).where(tasks.c.id.in_(select(v.c.id)))
        self.delete_specs = delete(specs).where(specs.c.id.in_(select(v.c.id)))
        self.mark_deleted = (
            update(tasks)
            .where(tasks.c.id == v.c.id)
            .values(
                status=literal(DELETED),
                updated_ms=now,
                due_ms=null(),
                kept_until_ms=_parameter("expires"),
                attempts=literal(""),
                result=null(),
                error=null(),
                reason=null(),
                idempotency_key=null(),
            )
        )
        self.lock_counts = self._answer(
            select(counts.c.seq, counts.c.status, counts.c.delta)
            .order_by(counts.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        v = self._rows(seq=_BIG)
        self.delete_counts = delete(counts).where(counts.c.seq.in_(select(v.c.seq)))
