"""The shapes of our answers, as the OpenAPI document tells them. `resources` makes what they describe.

They are for describing, and for tests that hold real answers against them; no answer is made through them,
since that would cost more than the rest of a request.
"""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taskrunner.domain.host_view import HostCondition
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.record import DeadLetterKind
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.rules import Rule
from taskrunner.domain.schedule import MissedPolicy, Overlap
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority


class Shape(BaseModel):
    """A JSON object with these members, all of them there and no others."""

    model_config = ConfigDict(extra="forbid")


class Timings(Shape):
    """Seconds from the start of the attempt's last exchange; `total` covers all hops."""

    dns: float
    connect: float
    tls: float
    first_byte: float
    total: float


class HeaderLine(Shape):
    """One header of the target's answer; a name may come more than once."""

    name: str
    value: str


class Answer(Shape):
    """A target's answer, without its body; `unchanged`: nothing is newer than what was asked by (304)."""

    status_code: int
    unchanged: bool
    headers: list[HeaderLine]
    content_type: str | None
    size: int
    sha256: str
    truncated: bool
    url: str
    redirects: int
    http_version: str


class Result(Answer):
    """The target's final answer. `body` is there for short texts; `body_url` has the bytes."""

    body: str | None
    body_url: str
    timings: Timings


class Attempt(Shape):
    """One run of a task; one that is not `counted` ended through a fault of ours."""

    number: int
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: OutcomeKind | None
    status_code: int | None
    error: str | None
    counted: bool
    consumer: str | None
    address: str | None


class Request(Shape):
    """What was sent. Headers that may be secret are masked, the body is not shown."""

    method: str
    url: str
    headers: list[HeaderLine]
    body_size: int
    signed_by: str | None


class Phase(Shape):
    """A part of an attempt, in seconds since its start."""

    phase: Literal["redirects", "dns", "connect", "tls", "wait", "receive"]
    start: float
    end: float


class AttemptDetail(Attempt):
    """An attempt with all that is known of it; of an answer before the last some headers may be left out."""

    task_id: str
    request: Request
    response: Answer | None
    timings: Timings | None
    waterfall: list[Phase]


class Attempts(Shape):
    """All attempts of a task, in order."""

    attempts: list[AttemptDetail]


class Callback(Shape):
    """Who is told of a task's end, with the configured secret and TLS profile of those names, if any."""

    url: str
    secret: str | None
    events: list[Status]
    tls: str | None


class Validators(Shape):
    """By what a run of a conditional schedule asks for a newer version, and whose answer said so."""

    url: str
    etag: str | None
    last_modified: str | None
    task_id: str


class Task(Shape):
    """A task and all that is known of it. Headers that may be secret are masked.

    `reason` is there where a task ended by more than its last attempt's outcome: `unknown` (whether the
    target acted is not known), `rule`, `fail_on`, `expired`, … `snoozes` is how often it was put off before
    an attempt; while it is, `waits_for` says why and `due_at` until when.
    """

    id: str
    status: Status
    attempt: int
    max_attempts: int
    attempt_limit: int
    attempts: list[Attempt]
    result: Result | None
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
    url: str
    method: str
    headers: dict[str, str]
    body_size: int
    priority: Priority
    timeout: float
    retry: RetryPolicy
    retry_on: list[int]
    fail_on: list[int]
    retry_unsafe: bool
    rules: list[Rule]
    labels: dict[str, str]
    tls: str | None
    validators: Validators | None
    callback: Callback | None


class TaskPage(Shape):
    """A part of a list, the latest first; `next_cursor` asks for the next part."""

    tasks: list[Task]
    next_cursor: str | None


class Schedule(Shape):
    """A cron schedule and what it has done. `task` is as it was handed in, but for its body and secrets."""

    name: str
    cron: str
    time_zone: str
    missed: MissedPolicy
    overlap: Overlap
    jitter: float
    conditional: bool
    paused: bool
    next_at: AwareDatetime | None
    last_at: AwareDatetime | None
    last_task_id: str | None
    last_task_url: str | None
    error: str | None
    task: dict[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class SchedulePage(Shape):
    """A part of a list, by name; `next_cursor` asks for the next part."""

    schedules: list[Schedule]
    next_cursor: str | None


class Limit(Shape):
    """So many attempts at a time, so many starts per second, so many at once after a rest."""

    concurrency: int | None
    rate: float | None
    burst: int | None


class Host(Shape):
    """A host by the name in its URLs. `limit` is that of the most specific pattern that holds for it.

    Nothing starts before `until`; while it is slowed, starts are `pace` seconds apart. `in_flight` is known
    where it is limited. Tasks wait for it until `waiting_until`. An attempt takes `attempt_time` seconds.
    """

    host: str
    state: HostCondition
    until: AwareDatetime | None
    pace: float | None
    in_flight: int | None
    waiting_until: AwareDatetime | None
    attempt_time: float | None
    pattern: str | None
    limit: Limit | None


class GivenLimit(Limit):
    """A limit of a pattern, and whether the API gave it or it is configured (in the process that answers)."""

    pattern: str
    source: Literal["api", "config"]


class Hosts(Shape):
    """Hosts, those that matter for the longest first, and all limits."""

    hosts: list[Host]
    limits: list[GivenLimit]


class DeadLetter(Shape):
    """A failed task, or a message that nobody could read."""

    id: str
    kind: DeadLetterKind
    reason: str
    error: str | None
    died_at: AwareDatetime
    priority: Priority | None
    url: str | None
    attempt: int | None
    outcome: OutcomeKind | None
    labels: dict[str, str]
    created_at: AwareDatetime | None
    task_url: str | None


class FullDeadLetter(DeadLetter):
    """A dead letter with the message as it came."""

    x_death: Any
    raw_base64: str | None
    raw_text: str | None


class DeadLetterPage(Shape):
    """A part of a list, the latest first; `next_cursor` asks for the next part."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class BulkResult(Shape):
    """What was done to how many of those that were chosen; `next_cursor` says where to go on."""

    action: str
    dry_run: bool
    matched: int
    done: int
    next_cursor: str | None


class Requeued(BulkResult):
    """With `stop_at`: so many of a sample of those before have ended, and of these so many failed again.

    `stopped`: these were too many, so nothing was done. Who goes on from `next_cursor` begins another sample.
    """

    stopped: bool
    ended: int
    failed: int


class Pause(Shape):
    """A scope: `all`, `queue:NAME`, `label:NAME=VALUE` or `label:NAME`."""

    scope: str
    since: AwareDatetime


class Pauses(Shape):
    """What is paused."""

    pauses: list[Pause]


class FieldProblem(Shape):
    """What is wrong in one field, by its dotted path."""

    field: str
    message: str


class Problem(Shape):
    """RFC 9457. `code` never changes and is for programs, `detail` is for people."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    errors: list[FieldProblem] = Field(default_factory=list)


class BulkItem(Shape):
    """What became of one task of a bulk: `status` 202 with its `id`, or 422 with `errors`.

    `line` counts from 1. `created` is false for an id that was there already.
    """

    line: int
    status: Literal[202, 422]
    id: str | None
    url: str | None
    created: bool
    published: bool
    errors: list[FieldProblem]


class BulkAnswer(Shape):
    """One item for each line that is a task or should be one."""

    items: list[BulkItem]
