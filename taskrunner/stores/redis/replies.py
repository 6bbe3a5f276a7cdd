"""Turns the scripts' answers into values of the seam."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from taskrunner.domain.clock import from_ms
from taskrunner.domain.record import DeadLetter, DeadLetterKind, Record, dead_task
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.stores.base import AcceptAnswer, Accepted, ClaimAnswer, Claimed, Due, NewTask, StoredSchedule
from taskrunner.stores.codec import StoredRecord, decode_attempt
from taskrunner.stores.host_store import HostAnswer, HostEntry
from taskrunner.stores.inspection import Flaw, Flawed, Overdue

_ACCEPT = {answer.encode(): answer for answer in AcceptAnswer}
_STATUS = {status.encode(): status for status in Status}
_QUEUE = {queue.encode(): queue for queue in Priority}
_DUE_FIELDS = 8


def accepted(tasks: Sequence[NewTask], answers: list[bytes]) -> list[Accepted]:
    return [
        Accepted(id=state_now.decode() if state_now else task.id, answer=_ACCEPT[word])
        for task, word, state_now in zip(tasks, answers[::2], answers[1::2], strict=True)
    ]


def claimed(answers: list[Any]) -> list[Claimed]:
    return [_claimed(word, limit) for word, limit in zip(answers[::2], answers[1::2], strict=True)]


@lru_cache(maxsize=1024)
def _claimed(word: bytes, limit: int) -> Claimed:
    return Claimed(answer=ClaimAnswer(word.decode()), attempt_limit=limit)


def due_tasks(answers: list[bytes]) -> list[Due]:
    return [due_task(answers[i : i + _DUE_FIELDS]) for i in range(0, len(answers), _DUE_FIELDS)]


def due_task(fields: Sequence[bytes]) -> Due:
    task_id, status, attempt, limit, queue, spec, line, snoozes = fields
    return Due(
        id=task_id.decode(),
        status=_STATUS[status],
        attempt=int(attempt),
        attempt_limit=int(limit),
        queue=_QUEUE[queue],
        encoded=spec,
        running=decode_attempt(line) if line else None,
        snoozes=int(snoozes),
    )


def record(fields: Sequence[Any]) -> Record:
    _, status, attempt, limit, updated, due, expiry, error, reason, result, spec, *rest = fields
    snoozes, why, *attempts = rest
    return StoredRecord(
        encoded=spec,
        status=_STATUS[status],
        attempt=int(attempt),
        attempt_limit=int(limit),
        attempts=[encoded for encoded in attempts if encoded is not None],
        result=result,
        error=_text(error),
        reason=_text(reason),
        due_ms=_number(due),
        updated_ms=float(updated),
        kept_until_ms=_number(expiry),
        snoozes=int(snoozes or 0),
        waits_for=_text(why) or None,
    ).decode()


def dead_letter(fields: Sequence[Any], raw: bytes | None = None) -> DeadLetter:
    member, died, *rest = fields
    if member.startswith(b"t:"):
        return dead_task(record(rest[0]))
    reason, error, queue, url, attempt, x_death = rest
    return DeadLetter(
        id=member[2:].decode(),
        kind=DeadLetterKind.MESSAGE,
        reason=reason.decode(),
        error=_text(error),
        died_at=from_ms(float(died)),
        queue=_QUEUE[queue] if queue is not None else None,
        url=_text(url),
        attempt=int(attempt),
        raw=raw,
        x_death=_text(x_death),
    )


def schedule(fields: Sequence[bytes]) -> StoredSchedule:
    name, version, body, next_ms = fields
    return StoredSchedule(
        name=name.decode(),
        version=version.decode(),
        encoded=body,
        next_at=from_ms(float(next_ms)) if next_ms else None,
    )


def overdue(answers: list[bytes]) -> list[Overdue]:
    triples = zip(answers[::3], answers[1::3], answers[2::3], strict=True)
    return [
        Overdue(id=task_id.decode(), status=_STATUS[status], queue=_QUEUE[queue])
        for task_id, status, queue in triples
    ]


def flawed(answers: list[bytes]) -> list[Flawed]:
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return [Flawed(id=task_id.decode(), flaw=Flaw(flaw.decode())) for task_id, flaw in pairs]


def host_answers(answers: list[list[Any]], hosts: Sequence[str]) -> list[HostAnswer]:
    return [
        HostAnswer(written=True)
        if answer[0]
        else HostAnswer(written=False, current=host_entry(host, answer[1]) if answer[1] else None)
        for answer, host in zip(answers, hosts, strict=True)
    ]


def host_entry(host: str, found: bytes) -> HostEntry:
    version, until, encoded = found.split(b" ", 2)
    return HostEntry(host=host, version=version.decode(), encoded=encoded, until=from_ms(float(until)))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _number(value: bytes | None) -> float | None:
    return None if value is None else float(value)
