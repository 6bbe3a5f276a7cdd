"""A settlement: what the store writes when an attempt has ended."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from taskrunner.domain.retries.retry import EXHAUSTED, NOT_RETRYABLE, Verdict
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value, replace
from taskrunner.domain.webhooks.webhook import Webhook

# The most header bytes that are kept with each attempt: a task may have a hundred attempts.
_MAX_HEADERS_BYTES = 2048
# Seconds. While there is a record, a late delivery of a finished task is dropped; after that, the task would
# be adopted and run again.
MIN_RETENTION = 60.0
_DAY = 86_400.0
T = TypeVar("T")


class Settlement(Value):
    """The end of an attempt. It is written only while exactly this attempt runs.

    `due` is set for `retrying` and `scheduled`, None for a terminal status. `scheduled` means that the
    handler put the task off: that is counted in `snoozes`, and `waits_for` says why. An attempt that is not
    `counted` raises the task's attempt limit by one. `keep` is the retention of a terminal status in
    seconds. `result` has the body to store, already cut to its limit. `reason` is set if the outcome does
    not explain why the task failed. `follow_ups` are accepted in the same step.
    """

    id: str
    attempt: Attempt
    status: Status
    due: datetime | None
    error: str | None
    reason: str | None = None
    waits_for: str | None = None
    result: Response | None
    keep: float
    follow_ups: tuple[NewTask, ...] = ()


class RetentionSettings(Value):
    """How many seconds a finished task is kept, by status, an audit entry, and an operation that ended."""

    succeeded: float = 7 * 86_400.0
    failed: float = 30 * 86_400.0
    cancelled: float = 7 * 86_400.0
    audit: float = 90 * 86_400.0
    operations: float = 7 * 86_400.0

    def keep(self, status: Status) -> float:
        """The retention of a terminal status in seconds, 0 for a live status."""
        return {
            Status.SUCCEEDED: self.succeeded,
            Status.FAILED: self.failed,
            Status.CANCELLED: self.cancelled,
        }.get(status, 0.0)


def settlement(
    task: Task,
    attempt: Attempt,
    outcome: Outcome,
    verdict: Verdict,
    retention: RetentionSettings,
    *,
    now: datetime,
    webhooks: Sequence[Webhook],
) -> Settlement:
    """What to write for `attempt`, which ended `now`, by its outcome and the verdict.

    `webhooks` are those in force.
    """
    response = outcome.response
    ended = replace(
        attempt,
        finished_at=now,
        outcome=outcome.kind,
        status_code=None if response is None else response.status,
        error=outcome.error,
        counted=verdict.counted,
        address=outcome.address,
        timings=outcome.timings,
        hops=outcome.hops,
        response=None if response is None or verdict.status is Status.SUCCEEDED else _head(response),
    )
    error = None if verdict.status is Status.SUCCEEDED else verdict.error or outcome.error
    return Settlement(
        id=task.id,
        attempt=ended,
        status=verdict.status,
        due=verdict.due,
        error=error,
        reason=_reason(outcome, verdict),
        waits_for=outcome.error if verdict.status is Status.SCHEDULED else None,
        result=response,
        keep=kept_for(task, now, retention.keep(verdict.status)),
        follow_ups=follow_ups(
            End(
                task=task,
                status=verdict.status,
                attempt=attempt.number,
                error=error,
                outcome=outcome,
                now=now,
            ),
            webhooks,
        ),
    )


def kept_for(task: Task, now: datetime, seconds: float) -> float:
    """The retention of a task that ends `now`: its own or `seconds`, or longer if it must be kept longer."""
    seconds = seconds if task.retention is None else task.retention
    until = task.keep_until
    if task.dedup is not None and task.dedup.ttl is not None:
        # The record is what holds the key.
        held_until = task.dedup.held_until(task.created_at)
        until = held_until if until is None else max(until, held_until)
    return seconds if until is None else max(seconds, (until - now).total_seconds())


def kept_unclaimed(task: Task, now: datetime, seconds: float) -> float:
    """The retention of a task that ends `now` while it waits: at least `seconds`.

    A message of it may still be in its queue, and only the record keeps the message from being run.
    """
    return max(seconds, kept_for(task, now, seconds))


def by_retention(
    waiting: Iterable[tuple[T, Task | None]], now: datetime, seconds: float
) -> dict[float, list[T]]:
    """Waiting tasks that end `now`, by their retention. Those that differ are rounded up to whole days.

    Each group is one call of the store.
    """
    groups: dict[float, list[T]] = {}
    for each, task in waiting:
        kept = seconds if task is None else kept_unclaimed(task, now, seconds)
        if task is not None and kept not in {seconds, task.retention}:
            kept = math.ceil(kept / _DAY) * _DAY
        groups.setdefault(kept, []).append(each)
    return groups


def _head(response: Response) -> Response:
    """The response without its body, and with as many headers as an attempt may keep."""
    kept, room = [], _MAX_HEADERS_BYTES
    for name, content in response.headers:
        room -= len(name) + len(content)
        if room < 0:
            break
        kept.append((name, content))
    cut = response.headers_truncated or len(kept) < len(response.headers)
    return replace(response, headers=tuple(kept), headers_truncated=cut, body=b"")


def _reason(outcome: Outcome, verdict: Verdict) -> str | None:
    """The reason of a failure, unless the kind of the outcome says it all."""
    if verdict.status is not Status.FAILED:
        return None
    if verdict.reason in {NOT_RETRYABLE, EXHAUSTED} and outcome.kind is not OutcomeKind.OK:
        return None
    return verdict.reason
