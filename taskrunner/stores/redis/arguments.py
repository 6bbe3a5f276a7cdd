"""Turns values of the seam into the flat arguments of the scripts.

Flat, since the driver packs a flat list in C and Lua reads it without decoding anything.
"""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.domain.codec import encode, storable
from taskrunner.domain.record import Attempt, DeadLetter
from taskrunner.domain.status import FOLLOWERS, TERMINAL, Status
from taskrunner.stores.base import AttemptRef, NewTask, Settlement, Snooze, StoredSchedule
from taskrunner.stores.host_store import HostEdit

Argument = str | bytes | int

# Redis counts a TTL in ms from 1970 in 63 bits; a hundred years are "for ever" to anybody.
_MAX_KEEP = 100 * 366 * 86_400.0
_NEW_TASK_ARGS = 11


def new_tasks(tasks: Sequence[NewTask]) -> list[Argument]:
    args: list[Argument] = []
    for task in tasks:
        args += (
            task.id,
            task.encoded,
            task.queue,
            task.max_attempts,
            max(task.max_attempts, task.attempt + 1),
            task.attempt,
            to_ms(task.created_at),
            to_ms(task.due),
            task.idempotency_key or "",
            task.fingerprint,
            "" if task.deadline is None else to_ms(task.deadline),
        )
    return args


def followed(
    rows: Sequence[Sequence[Argument]], follow_ups: Sequence[NewTask | None], *, before: int
) -> list[Argument]:
    """The number of `rows`, the rows, and the tasks that follow some of them.

    Each row ends with the place in ARGV of the task that follows it, or ''. `before`: how many arguments
    stand before all that.
    """
    args: list[Argument] = [len(rows)]
    place = before + 2 + sum(len(row) + 1 for row in rows)
    following: list[NewTask] = []
    for row, follow_up in zip(rows, follow_ups, strict=True):
        args += row
        if follow_up is None:
            args.append("")
        else:
            args.append(place + _NEW_TASK_ARGS * len(following))
            following.append(follow_up)
    return args + new_tasks(following)


def endings(refs: Sequence[AttemptRef], *, before: int) -> list[Argument]:
    return followed([(ref.id, ref.attempt) for ref in refs], [ref.follow_up for ref in refs], before=before)


def attempt_refs(refs: Sequence[AttemptRef]) -> list[Argument]:
    args: list[Argument] = []
    for ref in refs:
        args += (ref.id, ref.attempt)
    return args


def snoozes(items: Sequence[Snooze]) -> list[Argument]:
    args: list[Argument] = []
    for item in items:
        args += (item.id, item.attempt, to_ms(item.due), storable(item.why or ""))
    return args


def host_edits(edits: Sequence[HostEdit]) -> list[Argument]:
    args: list[Argument] = []
    for edit in edits:
        entry = edit.entry
        args += (storable(entry.host), edit.expected or "", entry.version, to_ms(entry.until), entry.encoded)
    return args


def published(refs: Sequence[AttemptRef]) -> list[Argument]:
    args: list[Argument] = []
    for ref in refs:
        args += (ref.id, ref.attempt, ref.snoozes)
    return args


def claims(refs: Sequence[AttemptRef], now: datetime, consumer: str) -> list[Argument]:
    # Most attempts of a batch are the first, and then their first lines are the same.
    lines: dict[int, bytes] = {}
    args: list[Argument] = []
    for ref in refs:
        line = lines.get(ref.attempt)
        if line is None:
            line = encode(Attempt(number=ref.attempt, started_at=now, consumer=consumer))
            lines[ref.attempt] = line
        args += (ref.id, ref.attempt, line)
    return args


def settlements(items: Sequence[Settlement], *, before: int) -> list[Argument]:
    """Raises `ValueError` for a status that cannot follow `running`."""
    rows: list[Sequence[Argument]] = []
    for item in items:
        if item.status not in FOLLOWERS[Status.RUNNING]:
            raise ValueError(f"task {item.id}: {item.status} cannot follow running")
        result = item.result
        rows.append(
            (
                item.id,
                item.attempt.number,
                item.status,
                _due(item),
                encode(item.attempt),
                storable(item.error) if item.error else "",
                storable(item.reason) if item.reason else "",
                encode(result) if result is not None else "",
                result.body if result is not None else "",
                retention_ms(item.keep),
                "" if item.attempt.counted else "1",
            )
        )
    return followed(rows, [item.follow_up for item in items], before=before)


def letters(items: Sequence[DeadLetter], keep: float) -> list[Argument]:
    args: list[Argument] = []
    for item in items:
        fields: dict[str, Argument | None] = {
            "reason": storable(item.reason),
            "error": None if item.error is None else storable(item.error),
            "queue": item.queue,
            "url": None if item.url is None else storable(item.url),
            "attempt": item.attempt,
            "raw": item.raw,
            "x_death": None if item.x_death is None else storable(item.x_death),
        }
        given = {name: value for name, value in fields.items() if value is not None}
        died = to_ms(item.died_at)
        args += (item.id, died, died + retention_ms(keep), 2 * len(given))
        for name, value in given.items():
            args += (name, value)
    return args


def schedule(item: StoredSchedule, expected: str | None) -> list[Argument]:
    next_ms = "" if item.next_at is None else to_ms(item.next_at)
    return [item.name, expected or "", item.version, item.encoded, next_ms]


def retention_ms(seconds: float) -> int:
    return max(1, int(min(seconds, _MAX_KEEP) * 1000))


def _due(item: Settlement) -> Argument:
    if (item.due is None) is not (item.status in TERMINAL):
        raise ValueError(f"task {item.id}: due is set exactly for a status that is not terminal")
    return "" if item.due is None else to_ms(item.due)
