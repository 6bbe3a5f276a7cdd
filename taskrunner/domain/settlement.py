"""A settlement: what the store is to write when an attempt has ended."""

from datetime import datetime

from taskrunner.domain.follow_up import follow_up
from taskrunner.domain.new_task import NewTask
from taskrunner.domain.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.record import Attempt
from taskrunner.domain.retry import EXHAUSTED, NOT_RETRYABLE, Verdict
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task
from taskrunner.domain.value import Value, replace

# Of the headers of an answer that another one followed: a task may have a hundred attempts.
_LINE_HEADERS_BYTES = 2048


class Settlement(Value):
    """The end of an attempt. Written only while exactly this attempt runs.

    `due` is set for `retrying` and `scheduled`, None for a terminal status. An attempt that is not
    `counted` moves the task's attempt limit up by one. `keep` is how many seconds the record outlives a
    terminal status. `result` carries the body to store, already cut to its cap. `reason` is for a task that
    failed by more than what its last attempt came to. `follow_up` is accepted in the same step, if this
    is written.
    """

    id: str
    attempt: Attempt
    status: Status
    due: datetime | None
    error: str | None
    reason: str | None = None
    result: Response | None
    keep: float
    follow_up: NewTask | None = None


class RetentionSettings(Value):
    """How many seconds a finished task is kept, per terminal status."""

    succeeded: float = 7 * 86_400.0
    failed: float = 30 * 86_400.0
    cancelled: float = 7 * 86_400.0

    def keep(self, status: Status) -> float:
        """Seconds for a terminal status, 0 for a live one."""
        return {
            Status.SUCCEEDED: self.succeeded,
            Status.FAILED: self.failed,
            Status.CANCELLED: self.cancelled,
        }.get(status, 0.0)


class EndedAttempt(Value):
    """An attempt that ended: which one, where it ran and when."""

    task: Task
    number: int
    consumer: str | None
    started_at: datetime
    finished_at: datetime


def settlement(
    ended: EndedAttempt, outcome: Outcome, verdict: Verdict, retention: RetentionSettings
) -> Settlement:
    """What to write for `ended`, which came to `outcome` and was judged by `verdict`."""
    response = outcome.response
    line = Attempt(
        number=ended.number,
        started_at=ended.started_at,
        finished_at=ended.finished_at,
        outcome=outcome.kind,
        status_code=None if response is None else response.status,
        error=outcome.error,
        counted=verdict.counted,
        consumer=ended.consumer,
        address=outcome.address,
        timings=outcome.timings,
        response=None if response is None or verdict.status is Status.SUCCEEDED else _head(response),
    )
    error = None if verdict.status is Status.SUCCEEDED else verdict.error or outcome.error
    return Settlement(
        id=ended.task.id,
        attempt=line,
        status=verdict.status,
        due=verdict.due,
        error=error,
        reason=_reason(outcome, verdict),
        result=response,
        keep=_keep(ended, retention.keep(verdict.status)),
        follow_up=follow_up(
            ended.task,
            verdict.status,
            attempt=ended.number,
            error=error,
            outcome=outcome,
            now=ended.finished_at,
        ),
    )


def _keep(ended: EndedAttempt, seconds: float) -> float:
    until = ended.task.keep_until
    return seconds if until is None else max(seconds, (until - ended.finished_at).total_seconds())


def _head(response: Response) -> Response:
    """Without the body, and with as many headers as the line of an attempt has room for."""
    kept, room = [], _LINE_HEADERS_BYTES
    for name, content in response.headers:
        room -= len(name) + len(content)
        if room < 0:
            break
        kept.append((name, content))
    return replace(response, headers=tuple(kept), body=b"")


def _reason(outcome: Outcome, verdict: Verdict) -> str | None:
    """What the kind of the last outcome does not tell by itself."""
    if verdict.status is not Status.FAILED:
        return None
    if verdict.reason in {NOT_RETRYABLE, EXHAUSTED} and outcome.kind is not OutcomeKind.OK:
        return None
    return verdict.reason
