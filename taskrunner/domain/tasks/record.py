"""A record: a task, its status, and all its attempts. Also dead letters."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.tasks.outcome import Hop, OutcomeKind, Response, Timings
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value, field


class Attempt(Value):
    """One attempt. `finished_at` and `outcome` are None while it runs.

    `response` is the head of the answer to an attempt that did not succeed: the record's `result` is only
    that of the last ended attempt. `timings` are set if there was no answer. `hops` as in `Outcome`.
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
    hops: tuple[Hop, ...] = ()
    response: Response | None = None


# How `waits_for` begins while a task waits since the broker removed its message, by a policy or a limit.
BY_BROKER = "the broker, which removed its message: "


class Record(Value):
    """A task's record. `attempt` is the number of the last attempt that started, 0 before the first.

    `attempt_limit` is the last attempt number that may start: `max_attempts`, moved up by attempts that
    did not count and by requeues. `due` is None for a terminal status. `result` has no body; the
    store's `body` reads that. `reason` is set if the last attempt's outcome does not explain the end of the
    task. `snoozes` is how often the task was put off, before an attempt or by its handler; `waits_for` says
    why it waits now.
    `progress` is what the running attempt said last.
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
    progress: Progress | None = None


class DeadLetterKind(StrEnum):
    """A dead letter is a failed task, or an unreadable message."""

    TASK = "task"
    MESSAGE = "message"


class DeadLetter(Value):
    """A failed task or an unreadable message, which an operator may requeue or delete.

    For a task, `id` is the task's id and `outcome` that of its last attempt. For a message, `raw` holds its
    bytes and `x_death` RabbitMQ's history of it (https://www.rabbitmq.com/docs/dlx#effects).
    """

    id: str
    kind: DeadLetterKind
    reason: str
    error: str | None
    died_at: datetime
    queue: str | None = None
    url: str | None = None
    executor: str | None = None
    is_listed: bool = True
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    outcome: OutcomeKind | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    raw: bytes | None = None
    x_death: str | None = None


def dead_task(failed: Record) -> DeadLetter:
    """A failed task as a dead letter; the default reason is the last attempt's outcome."""
    last = failed.attempts[-1].outcome if failed.attempts else None
    return DeadLetter(
        id=failed.task.id,
        kind=DeadLetterKind.TASK,
        reason=failed.reason or str(last or Status.FAILED),
        error=failed.error,
        died_at=failed.updated_at,
        queue=failed.task.queue,
        url=failed.task.url,
        executor=failed.task.executor,
        is_listed=failed.task.is_dead_letter,
        attempt=failed.attempt,
        labels=failed.task.labels,
        outcome=last,
        created_at=failed.task.created_at,
        created_by=failed.task.created_by,
    )
