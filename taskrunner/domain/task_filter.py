"""A selection: which tasks, or dead letters, somebody means. One grammar for the API's queries and the CLI.

Every condition that is given must hold. Times are RFC 3339, or an age such as `90s`, `15m`, `12h`, `7d`:
`created_before=7d` is what is older than seven days.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.host_name import host_of
from taskrunner.domain.messages import shown
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.record import DeadLetter, Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.url import DEFAULT_PORTS
from taskrunner.domain.value import Value, field

Choice = TypeVar("Choice", bound=StrEnum)

# Each condition by its name, and what it says, for the help of the command line.
CONDITIONS: Mapping[str, str] = {
    "status": f"where they stand: {', '.join(Status)}",
    "queue": "high, medium or low",
    "label": "NAME=VALUE, or NAME for any value; repeatable, all must be there",
    "host": "the URL's host, on any port, or HOST:PORT",
    "handler": "what runs them: http",
    "outcome": f"what the last attempt came to: {', '.join(OutcomeKind)}",
    "reason": "why they ended, as dead letters show it",
    "created_after": "a time (RFC 3339), or an age: 90s, 15m, 12h, 7d",
    "created_before": "the same",
    "finished_after": "the same, for when they ended",
    "finished_before": "the same",
}
# A dead letter has no status: it is one because it failed, or was no task.
LETTER_CONDITIONS = tuple(name for name in CONDITIONS if name != "status")
# The built-in handler, which runs every task.
_HANDLER = "http"
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class TaskFacts(Value):
    """What a selection looks at, of a task or of a dead letter."""

    status: Status | None
    queue: Priority | None
    labels: Mapping[str, str]
    hosts: Sequence[str | None]
    outcome: OutcomeKind | None
    reason: str | None
    created_at: datetime | None
    finished_at: datetime | None


class TaskFilter(Value):
    """The conditions; None, or nothing, is met by all. A label's None is met by any value."""

    status: Status | None = None
    queue: Priority | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    host: str | None = None
    handler: str | None = None
    outcome: OutcomeKind | None = None
    reason: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it is met by everything."""
        return self == TaskFilter()

    def meets(self, facets: TaskFacts) -> bool:
        """Whether all conditions hold."""
        return (
            self.status in {None, facets.status}
            and self.queue in {None, facets.queue}
            and self.host in {None, *facets.hosts}
            and self.handler in {None, _HANDLER}
            and self.outcome in {None, facets.outcome}
            and self.reason in {None, facets.reason}
            and all(
                name in facets.labels and wanted in {None, facets.labels[name]}
                for name, wanted in self.labels.items()
            )
            and _within(facets.created_at, self.created_after, self.created_before)
            and _within(facets.finished_at, self.finished_after, self.finished_before)
        )


def task_facts(record: Record) -> TaskFacts:
    """Of a task."""
    last = record.attempts[-1].outcome if record.attempts else None
    return TaskFacts(
        status=record.status,
        queue=record.task.priority,
        labels=record.task.labels,
        hosts=_hosts(record.task.url),
        outcome=last,
        reason=record.reason or last,
        created_at=record.task.created_at,
        finished_at=record.finished_at,
    )


def dead_letter_facts(letter: DeadLetter) -> TaskFacts:
    """Of a dead letter; a message has neither labels nor an outcome nor a time at which it was created."""
    return TaskFacts(
        status=None,
        queue=letter.queue,
        labels=letter.labels,
        hosts=_hosts(letter.url or ""),
        outcome=letter.outcome,
        reason=letter.reason,
        created_at=letter.created_at,
        finished_at=letter.died_at,
    )


def read_filter(given: Mapping[str, Sequence[str]], *, now: datetime) -> TaskFilter:
    """The selection of conditions by name, each with its values.

    Raises `FilterInvalid` with all findings.
    """
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name, values in given.items():
        try:
            if name == "label":
                fields["labels"] = dict(_label(value) for value in values)
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
        return _choice(Priority, text)
    if name == "outcome":
        return _choice(OutcomeKind, text)
    if name.endswith(("_after", "_before")):
        return _moment(text, now)
    if not text:
        raise ValueError("must not be empty")
    return text.lower() if name == "host" else text


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(kind)}, got {shown(text)}") from None


def _label(text: str) -> tuple[str, str | None]:
    name, has_value, value = text.partition("=")
    if not name:
        raise ValueError(f"must be NAME=VALUE or NAME, got {shown(text)}")
    return name, value if has_value else None


def _moment(text: str, now: datetime) -> datetime:
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            return now - timedelta(seconds=int(age[1]) * _UNITS[age[2]])
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without an offset it may be any of a day's hours")
        return moment
    except (ValueError, OverflowError):
        message = "must be a time with an offset such as 2030-01-31T12:00:00Z, or an age such as 7d"
        raise ValueError(f"{message}, got {shown(text)}") from None


def _within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if after is None and before is None:
        return True
    if moment is None:
        return False
    return (after is None or moment >= after) and (before is None or moment < before)


def _hosts(url: str) -> tuple[str | None, ...]:
    """Its names: without a port, as limits have it, and with whatever port it is."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        host = host_of(url).lower()
        return parts.hostname, host, f"{host.removesuffix(f':{port}')}:{port}"
    except ValueError:
        return ()  # a message may hold anything in place of a URL
