"""What is known of a task: the task itself, where it stands, and every attempt so far."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.outcome import OutcomeKind, Response, Timings
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task
from taskrunner.domain.value import Value, field


class Attempt(Value):
    """One run of a task. `finished_at` and `outcome` are None while it runs.

    `response` is the head of the answer of one that did not succeed, since the record's result is only that
    of the last that ended; `timings` are there when no answer was.
    """

    number: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: OutcomeKind | None = None
    status_code: int | None = None
    error: str | None = None
    counted: bool = True
    consumer: str | None = None
    address: str | None = None
    timings: Timings | None = None
    response: Response | None = None


class Record(Value):
    """A task's record. `attempt` is the number of the last attempt that started, 0 before the first.

    `attempt_limit` is the last attempt number that may start: `max_attempts`, moved up by attempts that
    did not count and by revivals. `due` is None for a terminal status. `result` has no body; the
    store's `body` reads that. `reason` is set for a task that ended by more than its last attempt's outcome.
    `snoozes` is how often an attempt was put off before it began; while that is so, `waits_for` says why.
    """

    task: Task
    status: Status
    attempt: int
    attempt_limit: int
    due: datetime | None
    attempts: tuple[Attempt, ...]
    result: Response | None
    error: str | None
    reason: str | None = None
    updated_at: datetime
    finished_at: datetime | None
    kept_until: datetime | None
    snoozes: int = 0
    waits_for: str | None = None


class DeadLetterKind(StrEnum):
    """A dead letter is a task that failed, or a message that nobody could read."""

    TASK = "task"
    MESSAGE = "message"


class DeadLetter(Value):
    """Something that ended badly and waits for an operator.

    For a task, `id` is the task's id, and `outcome` what its last attempt came to. For a message, `raw` holds
    its bytes as they came and `x_death` RabbitMQ's account of its way
    (https://www.rabbitmq.com/docs/dlx#effects).
    """

    id: str
    kind: DeadLetterKind
    reason: str
    error: str | None
    died_at: datetime
    queue: str | None = None
    url: str | None = None
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    outcome: OutcomeKind | None = None
    created_at: datetime | None = None
    raw: bytes | None = None
    x_death: str | None = None


def dead_task(failed: Record) -> DeadLetter:
    """A failed task as a dead letter; where no reason was given, it is what the last attempt came to."""
    last = failed.attempts[-1].outcome if failed.attempts else None
    return DeadLetter(
        id=failed.task.id,
        kind=DeadLetterKind.TASK,
        reason=failed.reason or str(last or Status.FAILED),
        error=failed.error,
        died_at=failed.updated_at,
        queue=failed.task.priority,
        url=failed.task.url,
        attempt=failed.attempt,
        labels=failed.task.labels,
        outcome=last,
        created_at=failed.task.created_at,
    )
