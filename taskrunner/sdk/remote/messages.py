"""Converts between messages of the protocol and the task and outcome of a handler."""

from datetime import UTC

from google.protobuf.duration_pb2 import Duration

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.task import Task
from taskrunner.handlers.python.handler import CANCELLED_THE_TASK, put_off
from taskrunner.v1 import task_executor_pb2 as pb

_NANOS = 1_000_000_000


def task_of(leased: pb.LeasedTask, executor: str) -> Task:
    """The task of an attempt, as its handler sees it."""
    return Task(
        id=leased.id,
        executor=executor,
        body=leased.data_json or None,
        timeout=seconds(leased.timeout),
        max_attempts=leased.max_attempts,
        labels=dict(leased.labels),
        traceparent=leased.traceparent or None,
        # The server has the policy, and decides.
        retry=RetryPolicy(),
        created_at=leased.created_at.ToDatetime(UTC),
    )


def update_of(leased: pb.LeasedTask, outcome: Outcome) -> pb.TaskUpdate:
    """How the attempt ended; the server decides what happens to the task."""
    update = pb.TaskUpdate(id=leased.id, token=leased.token)
    error = outcome.error or ""
    if outcome.kind is OutcomeKind.OK:
        result = "" if outcome.response is None else outcome.response.body.decode()
        update.completed.result_json = result
    elif not outcome.counted:
        delay = outcome.due_in or 0.0
        update.snoozed.delay.CopyFrom(duration(delay))
        update.snoozed.reason = _reason(error, put_off(delay))
    elif outcome.kind is OutcomeKind.CANCELLED:
        update.cancelled.reason = _reason(error, CANCELLED_THE_TASK)
    else:
        update.failed.error = error
        # The protocol has no outcome for a result that is too large, and the server would retry the task.
        update.failed.final = outcome.retryable is False or outcome.kind is OutcomeKind.TOO_LARGE
        if outcome.due_in is not None:
            update.failed.retry_after.CopyFrom(duration(outcome.due_in))
    return update


def given_back(leased: pb.LeasedTask) -> pb.TaskUpdate:
    """The attempt does not count, and the task starts again elsewhere, at once."""
    update = pb.TaskUpdate(id=leased.id, token=leased.token)
    update.snoozed.delay.CopyFrom(duration(0.0))
    update.snoozed.reason = "the worker stops"
    return update


def seconds(given: Duration) -> float:
    return given.seconds + given.nanos / _NANOS


def duration(given: float) -> Duration:
    made = Duration()
    made.FromNanoseconds(round(given * _NANOS))
    return made


def _reason(error: str, beginning: str) -> str:
    """The reason without its beginning, which the server adds again in its own words."""
    return error.removeprefix(beginning).removeprefix(".").removeprefix(": ")
