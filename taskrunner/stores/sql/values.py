"""Turns values of the seam into rows, and rows into values of the seam."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode, storable
from taskrunner.domain.record import Attempt, DeadLetter, DeadLetterKind, Record
from taskrunner.domain.status import FOLLOWERS, TERMINAL, Status
from taskrunner.domain.task import Priority
from taskrunner.stores.base import Due, NewTask, Settlement, Snooze
from taskrunner.stores.codec import StoredRecord
from taskrunner.stores.sql.session import Row

# A hundred years are "for ever" to anybody, and stay within 63 bits of milliseconds.
_MAX_KEEP = 100 * 366 * 86_400.0


# In place of a status: the row only remembers the id, until it expires.
DELETED = "deleted"


def status(stored: str) -> Status | None:
    """The status of a row, None for a deleted task."""
    return None if stored == DELETED else Status(stored)


def text(value: str) -> str:
    """`value` without what no database holds: halves of surrogate pairs and, on PostgreSQL, NUL."""
    return storable(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


def retention_ms(seconds: float) -> int:
    """A retention as milliseconds, at least 1."""
    return max(1, int(min(seconds, _MAX_KEEP) * 1000))


def new_task(task: NewTask) -> dict[str, Any]:
    """The row of `tasks` for a new task."""
    return {
        "id": task.id,
        "queue": task.queue,
        "attempt": task.attempt,
        "attempt_limit": max(task.max_attempts, task.attempt + 1),
        "max_attempts": task.max_attempts,
        "updated_ms": to_ms(task.created_at),
        "due_ms": to_ms(task.due),
        "idempotency_key": None if task.idempotency_key is None else text(task.idempotency_key),
        "fingerprint": text(task.fingerprint),
        "deadline_ms": None if task.deadline is None else to_ms(task.deadline),
    }


def settlement(item: Settlement, now_ms: int) -> dict[str, Any]:
    """What to write for the end of an attempt. Raises `ValueError` for what cannot follow `running`."""
    if item.status not in FOLLOWERS[Status.RUNNING]:
        raise ValueError(f"task {item.id}: {item.status} cannot follow running")
    terminal = item.status in TERMINAL
    if terminal is not (item.due is None):
        raise ValueError(f"task {item.id}: due is set exactly for a status that is not terminal")
    return {
        "id": item.id,
        "status": item.status,
        "due": None if item.due is None else to_ms(item.due),
        "expires": now_ms + retention_ms(item.keep) if terminal else None,
        "error": None if item.error is None else text(item.error),
        "reason": None if item.reason is None else text(item.reason),
        "result": None if item.result is None else encode(item.result).decode(),
        "line": encode(item.attempt).decode() + "\n",
        "more": 0 if item.attempt.counted else 1,
    }


def snooze(item: Snooze) -> dict[str, Any]:
    """What to write for a task that is to wait."""
    why = None if item.why is None else text(item.why)
    return {"id": item.id, "due": to_ms(item.due), "why": why, "more": 0 if why is None else 1}


def letter(item: DeadLetter, keep: float) -> dict[str, Any]:
    """The row of `letters` for a message, without its raw bytes. Raises `ValueError` for a task."""
    if item.kind is not DeadLetterKind.MESSAGE:
        raise ValueError(f"{item.id} is a task: it becomes a dead letter when it fails")
    died = to_ms(item.died_at)
    return {
        "id": item.id,
        "died_ms": died,
        "kept_until_ms": died + retention_ms(keep),
        "reason": text(item.reason),
        "error": None if item.error is None else text(item.error),
        "queue": item.queue,
        "url": None if item.url is None else text(item.url),
        "attempt": item.attempt,
        "x_death": None if item.x_death is None else text(item.x_death),
    }


def pack(rows: Sequence[Mapping[str, Any]], contents: Sequence[bytes | None]) -> tuple[bytes, list[Any]]:
    """All contents as one value, and the rows with the place of theirs in it (counted from 1)."""
    # SQLite cuts NULL out of an empty value, so this one never is.
    placed, start = [], 2
    for row, content in zip(rows, contents, strict=True):
        size = None if content is None else len(content)
        placed.append({**row, "start": None if content is None else start, "size": size})
        start += size or 0
    return b"\0" + b"".join(content for content in contents if content is not None), placed


def due(row: Row, spec: str) -> Due:
    """From a row of the statement `lock_due`."""
    task_id, _, _, status, attempt, limit, queue, started, consumer, snoozes = row
    running = None
    if status == Status.RUNNING:
        running = Attempt(number=attempt, started_at=from_ms(started), consumer=consumer)
    return Due(
        id=task_id,
        status=Status(status),
        attempt=attempt,
        attempt_limit=limit,
        queue=Priority(queue),
        encoded=spec.encode(),
        running=running,
        snoozes=snoozes,
    )


def record(row: Row) -> Record:
    """From a row of the statements that answer with records."""
    (
        _,
        status,
        attempt,
        limit,
        due_at,
        updated,
        expires,
        started,
        consumer,
        error,
        reason,
        lines,
        result,
        spec,
        snoozes,
        why,
    ) = row
    attempts = lines.encode().splitlines()
    if status == Status.RUNNING:
        running = Attempt(number=attempt, started_at=from_ms(started), consumer=consumer)
        attempts.append(encode(running))
    return StoredRecord(
        encoded=spec.encode(),
        status=Status(status),
        attempt=attempt,
        attempt_limit=limit,
        attempts=attempts,
        result=None if result is None else result.encode(),
        error=error,
        reason=reason,
        due_ms=due_at,
        updated_ms=updated,
        kept_until_ms=expires,
        snoozes=snoozes or 0,
        waits_for=why,
    ).decode()


def message(row: Row, raw: bytes | None = None) -> DeadLetter:
    """From a row of the statements that answer with messages."""
    letter_id, died, reason, error, queue, url, attempt, x_death, *_ = row
    return DeadLetter(
        id=letter_id,
        kind=DeadLetterKind.MESSAGE,
        reason=reason,
        error=error,
        died_at=from_ms(died),
        queue=None if queue is None else Priority(queue),
        url=url,
        attempt=attempt,
        raw=raw,
        x_death=x_death,
    )
