"""Dedup keys on SQL: who holds them, taking them, and forgetting those that nobody holds."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Self

from sqlalchemy import Executable, Select, delete, insert, select, update

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.stores.intake_store import AcceptAnswer, Accepted
from taskrunner.stores.relay_store import DEDUP_AGAIN, DEDUP_SELDOM
from taskrunner.stores.sql.fields import text
from taskrunner.stores.sql.locked_task import DELETED
from taskrunner.stores.sql.session import Row, Session, ids
from taskrunner.stores.sql.statement import IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import dedups, tasks

_FREEING = frozenset({DELETED, Status.CANCELLED.value})
_LIVE = frozenset(status.value for status in LIVE)


class DedupKeys:
    """The keys of a batch: the task that took each last, with its status, and until when it holds the key."""

    def __init__(self, found: dict[str, tuple[str, str | None, int]]) -> None:
        self._found = found
        self._free: set[str] = set()

    @classmethod
    def of(cls, session: Session, part: Sequence[NewTask], *, locking: bool = True) -> Self:
        """With `locking`, nobody else takes a key that is there before this transaction ends.

        A key that is not there is taken by inserting it, which only one of two can.
        """
        keys = {_key(task) for task in part}
        rows = session.fetch(lock_dedups if locking else _read_dedups, [{"dedup_key": key} for key in keys])
        # A second statement: after a wait for a lock it sees what the other one has written.
        statuses = _statuses(session, rows)
        return cls({key: (task_id, statuses.get(task_id), until_ms) for key, task_id, until_ms in rows})

    def judged(self, task: NewTask, accepted: Accepted) -> Accepted:
        """The answer to a task that is created unless another one holds its key, which it has then."""
        key = _key(task)
        if key in self._found:
            task_id, status, until_ms = self._found[key]
            if _holds(status, until_ms, to_ms(task.created_at)):
                return Accepted(id=task_id, answer=AcceptAnswer.HELD)
            self._free.add(key)
        self._found[key] = (task.id, Status.SCHEDULED.value, 0)
        return accepted

    def forget_free(self, session: Session) -> None:
        """Make room for those who take keys that are free: only rows that are locked, and judged, may go."""
        if self._free:
            session.run(_forget, [{"dedup_key": key} for key in self._free])


def hold(session: Session, created: Sequence[NewTask]) -> None:
    """Write that these tasks hold their keys, which have no row: a race ends in a unique violation."""
    rows = [
        {"dedup_key": _key(task), "id": task.id, "until_ms": to_ms(task.dedup_until or task.created_at)}
        for task in created
    ]
    # In order, like `lock_dedups`: an insert waits for another transaction's row of the same key.
    session.run(_insert, sorted(rows, key=itemgetter("dedup_key")))


def forget(session: Session, key: str) -> None:
    """Forget a key that is locked."""
    session.run(_forget, [{"dedup_key": text(key)}])


def prune_dedups(session: Session, now: datetime, limit: int) -> int:
    """Forget keys that nobody holds; answers how many were looked at."""
    now_ms = to_ms(now)
    rows = session.fetch(lock_dedups_to_look_at, now=now_ms, limit=limit)
    if not rows:
        return 0
    statuses = _statuses(session, rows)
    held: list[dict[str, Any]] = []
    free: list[dict[str, str]] = []
    for key, task_id, until_ms in rows:
        if _holds(statuses.get(task_id), until_ms, now_ms):
            pause = max(DEDUP_AGAIN, min(now - from_ms(until_ms), DEDUP_SELDOM))
            held.append({"dedup_key": key, "look_ms": to_ms(now + pause)})
        else:
            free.append({"dedup_key": key})
    if free:
        session.run(_forget, free)
    if held:
        session.run(_look_again, held)
    return len(rows)


def _key(task: NewTask) -> str:
    """Of a task that has one."""
    return text(task.dedup_key or "")


def _holds(status: str | None, until_ms: int, now_ms: int) -> bool:
    if status is None or status in _FREEING:
        return False
    return status in _LIVE or until_ms > now_ms


def _statuses(session: Session, rows: Sequence[Row]) -> dict[str, str]:
    return session.mapping(_read_statuses, ids(row[1] for row in rows)) if rows else {}


def _found(rows: IncomingRows) -> "Select[Any]":
    v = rows(dedups.c.dedup_key)
    found = select(dedups.c.dedup_key, dedups.c.id, dedups.c.until_ms)
    return found.join(v, dedups.c.dedup_key == v.c.dedup_key)


@query
def _read_dedups(rows: IncomingRows) -> "Select[Any]":
    return _found(rows)


@query
def lock_dedups(rows: IncomingRows) -> "Select[Any]":
    # In order, so that no two processes wait for each other.
    return _found(rows).order_by(dedups.c.dedup_key).with_for_update(of=dedups)


@query
def lock_dedups_to_look_at(_: IncomingRows) -> "Select[Any]":
    found = select(dedups.c.dedup_key, dedups.c.id, dedups.c.until_ms)
    found = found.where(dedups.c.look_ms <= parameter("now")).order_by(dedups.c.look_ms)
    return found.limit(parameter("limit")).with_for_update(skip_locked=True)


@query
def _read_statuses(rows: IncomingRows) -> "Select[Any]":
    v = rows(tasks.c.id)
    return select(tasks.c.id, tasks.c.status).join(v, tasks.c.id == v.c.id)


@statement
def _forget(rows: IncomingRows) -> Executable:
    v = rows(dedups.c.dedup_key)
    return delete(dedups).where(dedups.c.dedup_key.in_(select(v.c.dedup_key)))


@statement
def _insert(rows: IncomingRows) -> Executable:
    v = rows(dedups.c.dedup_key, dedups.c.id, dedups.c.until_ms)
    names = ["dedup_key", "id", "until_ms", "look_ms"]
    return insert(dedups).from_select(names, select(v.c.dedup_key, v.c.id, v.c.until_ms, v.c.until_ms))


@statement
def _look_again(rows: IncomingRows) -> Executable:
    v = rows(dedups.c.dedup_key, dedups.c.look_ms)
    return update(dedups).where(dedups.c.dedup_key == v.c.dedup_key).values(look_ms=v.c.look_ms)
