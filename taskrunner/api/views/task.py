"""The views of a task, its attempts in short, and its result."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import msgspec

from taskrunner.api.views.view import View
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.retries.rules import Rule, RulesUnreadable
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.dedup import Dedup, DedupMode
from taskrunner.domain.tasks.masked_data import masked_data
from taskrunner.domain.tasks.outcome import Hop, OutcomeKind, Response, Timings
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime, Redirects, Task, Validators

_MAX_DATA_CHARS = 16_384


class TimingsView(View):
    """Seconds since the start of the attempt's last request; `total` covers all redirects."""

    dns: float
    connect: float
    tls: float
    first_byte: float
    total: float

    @classmethod
    def of(cls, timings: Timings) -> Self:
        return cls.copy(timings)


class HeaderView(View):
    """One header line. A name may occur more than once."""

    name: str
    value: str


class ResponseView(View):
    """A target's answer, without its body. `unchanged`: the target has nothing newer (304).

    What a handler returned is JSON: it has no `status_code`, `url`, `http_version` or timings.

    `undecodable`: the body is as it came, since its Content-Encoding is wrong, cut, unknown or partial (206).
    `headers_truncated`: there were more headers than are kept.
    """

    status_code: int | None
    unchanged: bool
    headers: Sequence[HeaderView]
    content_type: str | None
    size: int
    sha256: str
    truncated: bool
    undecodable: bool
    headers_truncated: bool
    url: str | None
    redirects: int
    http_version: str | None

    @classmethod
    def of(cls, response: Response, masking: Masking, **more: Any) -> Self:
        # A cookie that an answer sets is as good as a password.
        headers = [
            HeaderView(name=name, value=masking.value(name, value)) for name, value in response.headers
        ]
        return cls.copy(
            response,
            status_code=response.status,
            headers=headers,
            size=response.size_bytes,
            url=masked_url(response.url) or None,
            http_version=response.http_version or None,
            **more,
        )


class ResultView(ResponseView):
    """The target's final answer. `body` is present for short texts; `body_url` has the bytes."""

    body: str | None
    body_url: str
    timings: TimingsView | None

    @classmethod
    def of_final(cls, response: Response, masking: Masking, *, body_url: str, body: bytes | None) -> Self:
        text = None if body is None else as_text(body, cut=response.truncated)
        timings = None if response.status is None else TimingsView.of(response.timings)
        return cls.of(response, masking, body=text, body_url=body_url, timings=timings)


class HopView(View):
    """One request of an attempt that was redirected. `status_code` is null if it got no answer."""

    method: str
    url: str
    status_code: int | None

    @classmethod
    def of(cls, hop: Hop) -> Self:
        return cls(method=hop.method, url=masked_url(hop.url), status_code=hop.status)


class AttemptView(View):
    """One run of a task. An attempt that is not `counted` ended because of a fault of taskrunner.

    `hops` are all requests of an attempt that was redirected, in order.
    """

    number: int
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: OutcomeKind | None
    status_code: int | None
    error: str | None
    counted: bool
    consumer: str | None
    address: str | None
    hops: Sequence[HopView]

    @classmethod
    def of(cls, attempt: Attempt, **more: Any) -> Self:
        return cls.copy(attempt, hops=[HopView.of(hop) for hop in attempt.hops], **more)


class ProgressView(View):
    """How far the running attempt says it is: `fraction` is from 0 to 1."""

    fraction: float
    message: str

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls.copy(progress)


class CallbackView(View):
    """Where the end of a task is reported, and the names of the configured secret and TLS profile, if any."""

    url: str
    secret: str | None
    events: Sequence[Status]
    tls: str | None

    @classmethod
    def of(cls, callback: Callback) -> Self:
        return cls.copy(callback, url=masked_url(callback.url))


class ValidatorsView(View):
    """What a conditional schedule knows of the version it has, and the task that fetched it."""

    url: str
    etag: str | None
    last_modified: str | None
    task_id: str

    @classmethod
    def of(cls, validators: Validators) -> Self:
        return cls.copy(validators, url=masked_url(validators.url))


class DedupView(View):
    """The key that no other task may have meanwhile; `ttl` in seconds."""

    key: str
    ttl: float | None
    mode: DedupMode

    @classmethod
    def of(cls, dedup: Dedup) -> Self:
        return cls.copy(dedup)


class TaskView(View):
    """A task and all that is known of it. Headers that may be secret are masked.

    `reason` is set when a task ended for more than its last attempt's outcome: `unknown` (whether the target
    acted is not known), `rule`, `fail_on`, `expired`, … `snoozes` counts how often the task was put off, by a
    limit, a pause or its handler; meanwhile `waits_for` has the reason and `due_at` the end of the wait.
    `data` is for the `executor`; it is null if it is longer than 16,384 characters.
    """

    id: str
    status: Status
    attempt: int
    max_attempts: int
    attempt_limit: int
    attempts: Sequence[AttemptView]
    result: ResultView | None
    error: str | None
    reason: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    due_at: AwareDatetime | None
    run_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    kept_until: AwareDatetime | None
    snoozes: int
    waits_for: str | None
    progress: ProgressView | None
    executor: str | None
    data: msgspec.Raw | None
    url: str | None
    method: str | None
    headers: Mapping[str, str]
    body_size: int
    queue: str
    timeout: float
    retry: RetryPolicy
    retry_on: Sequence[int]
    fail_on: Sequence[int]
    retry_unsafe: bool
    redirects: Redirects
    rules: Sequence[Rule]
    rules_unreadable: RulesUnreadable
    labels: Mapping[str, str]
    created_by: str | None
    dedup: DedupView | None
    fairness_key: str | None
    tls: str | None
    auth: str | None
    validators: ValidatorsView | None
    callback: CallbackView | None

    @classmethod
    def of(cls, record: Record, masking: Masking, *, prefix: str = "", body: bytes | None = None) -> Self:
        """`prefix` goes before the paths of links; `body`, as stored, is shown if it is text."""
        task, result = record.task, None
        if record.result is not None:
            body_url = f"{prefix}/tasks/{task.id}/body"
            result = ResultView.of_final(record.result, masking, body_url=body_url, body=body)
        content = task.content
        return cls(
            id=task.id,
            status=record.status,
            attempt=record.attempt,
            max_attempts=task.max_attempts,
            attempt_limit=record.attempt_limit,
            attempts=[AttemptView.of(attempt) for attempt in record.attempts],
            result=result,
            error=record.error or record.reason,
            reason=record.reason,
            created_at=task.created_at,
            updated_at=record.updated_at,
            due_at=record.due,
            run_at=task.run_at,
            expires_at=task.expires_at,
            finished_at=record.finished_at,
            kept_until=record.kept_until,
            snoozes=record.snoozes,
            waits_for=record.waits_for,
            progress=None if record.progress is None else ProgressView.of(record.progress),
            executor=task.executor,
            data=None if task.executor is None else _data(task.body),
            url=masked_url(task.url),
            method=None if task.url is None else task.method,
            headers=masking.headers(task.headers),
            body_size=0 if content is None else len(content),
            queue=task.queue,
            timeout=task.timeout,
            retry=task.retry,
            retry_on=task.retry_on,
            fail_on=task.fail_on,
            retry_unsafe=task.retry_unsafe,
            redirects=task.redirects,
            rules=task.rules,
            rules_unreadable=task.rules_unreadable,
            labels=task.labels,
            created_by=task.created_by,
            dedup=None if task.dedup is None else DedupView.of(task.dedup),
            fairness_key=task.fairness_key,
            tls=task.tls,
            auth=task.auth,
            validators=None if task.validators is None else ValidatorsView.of(task.validators),
            callback=None if task.callback is None else CallbackView.of(task.callback),
        )

    @classmethod
    def of_accepted(cls, task: Task, masking: Masking, *, published: bool) -> Self:
        """A task that was accepted a moment ago and has no attempt yet."""
        record = Record(
            task=task,
            status=Status.QUEUED if published else Status.SCHEDULED,
            attempt=0,
            attempt_limit=task.max_attempts,
            due=task.run_at,
            attempts=(),
            result=None,
            error=None,
            updated_at=task.created_at,
            finished_at=None,
            kept_until=None,
        )
        return cls.of(record, masking)


class DeduplicatedView(TaskView):
    """The task that holds the dedup key of the one that was submitted, which was not accepted."""

    deduplicated: Literal[True]


class DedupHolderView(View):
    """The task as a key without the scope `read` sees it: its id, as in a batch."""

    id: str
    deduplicated: Literal[True]


class TaskPage(View):
    """A part of a list, in the order of `sort`; `next_cursor` asks for the next part."""

    tasks: Sequence[TaskView]
    next_cursor: str | None


def _data(text: str | None) -> msgspec.Raw | None:
    if text is None or len(text) > _MAX_DATA_CHARS:
        return None
    return msgspec.Raw(masked_data(text).encode("utf-8", "replace"))


def as_text(content: bytes, *, cut: bool) -> str | None:
    """`content` if it is UTF-8, else None; when it was `cut`, an incomplete last character is dropped."""
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        # UTF-8 takes at most 4 bytes (RFC 3629): only a fault in the last 3 can come from the cut.
        if cut and exc.reason == "unexpected end of data" and exc.start >= len(content) - 3:
            return content[: exc.start].decode()
        return None
