"""The task filter: which tasks or dead letters a request is about. One grammar for API queries and the CLI.

All given conditions must hold. Times are RFC 3339, or an age such as `90s`, `15m`, `1h30m`, `7d`:
`created_before=7d` means older than seven days.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from taskrunner.domain.duration import has_units, read_duration
from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.executors.executor import BUILT_IN
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.keys.api_key import read_name
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import REMOTE_PREFIX, check_queue_name
from taskrunner.domain.targets.url import DEFAULT_PORTS
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import DeadLetter, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value, field

Choice = TypeVar("Choice", bound=StrEnum)


class TaskOrder(StrEnum):
    """The orders in which tasks are listed, each by an index of every store; named as `sort` takes them."""

    NEWEST = "-created_at"
    OLDEST = "created_at"


# Each condition with its help text for the command line.
CONDITIONS: Mapping[str, str] = {
    "status": f"the status: {', '.join(Status)}",
    "queue": "the name of the queue",
    "label": "NAME=VALUE, or NAME for any value; repeatable, all must match",
    "label_text": "a part of the name or the value of a label, in upper or lower case",
    "host": "the URL's host, on any port, or HOST:PORT",
    "executor": "the name of the executor; http for tasks that have a URL of their own",
    "outcome": f"the outcome of the last attempt: {', '.join(OutcomeKind)}",
    "created_by": "the name of the API key that it was submitted with",
    "reason": "why the task ended, as dead letters show it",
    "created_after": "a time (RFC 3339), or an age: 90s, 15m, 1h30m, 7d",
    "created_before": "the same",
    "finished_after": "the same, for the end of the task",
    "finished_before": "the same",
}
# A dead letter has no status: it is a failed task, or a message that was not a task.
LETTER_CONDITIONS = tuple(name for name in CONDITIONS if name != "status")
# Longer than any value of a label need be to be found.
MAX_LABEL_TEXT = 100


class TaskFacts(Value):
    """What the conditions look at, of a task or of a dead letter."""

    id: str
    created_by: str | None
    status: Status | None
    queue: str | None
    executor: str | None
    labels: Mapping[str, str]
    url: str | None
    outcome: OutcomeKind | None
    reason: str | None
    created_at: datetime | None
    finished_at: datetime | None

    @property
    def hosts(self) -> Sequence[str | None]:
        """The names of the URL's host. Read where they are asked for: a list looks at thousands of tasks."""
        return _hosts(self.url)


class TaskFilter(Value):
    """The conditions; None matches everything. A label whose value is None matches any value.

    `namespace` is how all ids begin, see `Submitter`: no condition, but the tasks that the asker can see.
    """

    namespace: str = ""
    created_by: str | None = None
    status: Status | None = None
    queue: str | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    label_text: str | None = None
    host: str | None = None
    executor: str | None = None
    outcome: OutcomeKind | None = None
    reason: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no condition."""
        return self == TaskFilter(namespace=self.namespace)

    def matches(self, facts: TaskFacts) -> bool:
        """Whether all conditions hold."""
        return (
            facts.id.startswith(self.namespace)
            and self.created_by in {None, facts.created_by}
            and self.status in {None, facts.status}
            and self.queue in {None, facts.queue}
            and (self.host is None or self.host in facts.hosts)
            and self.executor in {None, facts.executor}
            and self.outcome in {None, facts.outcome}
            and self.reason in {None, facts.reason}
            and all(
                name in facts.labels and wanted in {None, facts.labels[name]}
                for name, wanted in self.labels.items()
            )
            and (self.label_text is None or _has_text(facts.labels, self.label_text.casefold()))
            and _within(facts.created_at, self.created_after, self.created_before)
            and _within(facts.finished_at, self.finished_after, self.finished_before)
        )


def task_facts(record: Record) -> TaskFacts:
    """The facts of a task."""
    last = record.attempts[-1].outcome if record.attempts else None
    return TaskFacts(
        id=record.task.id,
        created_by=record.task.created_by,
        status=record.status,
        queue=record.task.queue,
        executor=record.task.executor or BUILT_IN,
        labels=record.task.labels,
        url=record.task.url,
        outcome=last,
        reason=record.reason or last,
        created_at=record.task.created_at,
        finished_at=record.finished_at,
    )


def facts_at_end(task: Task, status: Status, *, outcome: OutcomeKind | None, now: datetime) -> TaskFacts:
    """The facts of a task that ends `now`. The reason is known to the store alone."""
    return TaskFacts(
        id=task.id,
        created_by=task.created_by,
        status=status,
        queue=task.queue,
        executor=task.executor or BUILT_IN,
        labels=task.labels,
        url=task.url,
        outcome=outcome,
        reason=None,
        created_at=task.created_at,
        finished_at=now,
    )


def dead_letter_facts(letter: DeadLetter) -> TaskFacts:
    """The facts of a dead letter. A message has no labels, outcome or creation time."""
    return TaskFacts(
        id=letter.id,
        created_by=letter.created_by,
        status=None,
        queue=letter.queue,
        # An unreadable message has neither.
        executor=letter.executor or (BUILT_IN if letter.url is not None else None),
        labels=letter.labels,
        url=letter.url,
        outcome=letter.outcome,
        reason=letter.reason,
        created_at=letter.created_at,
        finished_at=letter.died_at,
    )


def read_filter(given: Mapping[str, Sequence[str]], *, now: datetime) -> TaskFilter:
    """The filter of conditions by name, each with its values. Raises `FilterInvalid` with all findings."""
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name, values in given.items():
        try:
            if name == "label":
                fields["labels"] = dict(map(read_label, values))
            elif len(values) > 1:
                raise ValueError("is given more than once")
            else:
                fields[name] = _value(name, values[0], now)
        except ValueError as exc:
            errors.append(FieldError(field=name, message=str(exc)))
    if errors:
        raise FilterInvalid(errors)
    return TaskFilter(**fields)


def _value(name: str, text: str, now: datetime) -> Any:
    if name == "status":
        return _choice(Status, text)
    if name == "queue":
        check_queue_name(text.removeprefix(REMOTE_PREFIX))
        return text
    if name == "outcome":
        return _choice(OutcomeKind, text)
    if name == "created_by":
        return read_name(text)
    if name.endswith(("_after", "_before")):
        return read_moment(text, now)
    if not text:
        raise ValueError("must not be empty")
    if name == "label_text" and len(text) > MAX_LABEL_TEXT:
        raise ValueError(f"must be at most {MAX_LABEL_TEXT} characters, got {len(text)}")
    return text.lower() if name == "host" else text


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(kind)}, got {shown(text)}") from None


def read_label(text: str) -> tuple[str, str | None]:
    """The name and the value of a condition on labels; None for any value. Raises `ValueError`."""
    name, has_value, value = text.partition("=")
    if not name:
        raise ValueError(f"must be NAME=VALUE or NAME, got {shown(text)}")
    return name, value if has_value else None


def label_texts(task_filter: TaskFilter) -> list[str]:
    """The conditions on labels, each as `read_label` takes it."""
    return [name if value is None else f"{name}={value}" for name, value in task_filter.labels.items()]


def read_moment(text: str, now: datetime) -> datetime:
    """The time of a condition. Raises `ValueError`."""
    try:
        if has_units(text):
            return now - timedelta(seconds=read_duration(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("has no offset")
        return moment
    except (ValueError, OverflowError):
        message = "must be a time with an offset such as 2030-01-31T12:00:00Z, or an age such as 7d"
        raise ValueError(f"{message}, got {shown(text)}") from None


def _has_text(labels: Mapping[str, str], folded: str) -> bool:
    return any(folded in part.casefold() for label in labels.items() for part in label)


def _within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if after is None and before is None:
        return True
    if moment is None:
        return False
    return (after is None or moment >= after) and (before is None or moment < before)


def _hosts(url: str | None) -> tuple[str | None, ...]:
    """The names of a URL's host: without a port, as in limits, and with its port."""
    if url is None:
        return ()
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        host = host_of(url).lower()
        return parts.hostname, host, f"{host.removesuffix(f':{port}')}:{port}"
    except ValueError:
        return ()  # a message may hold anything as its URL
