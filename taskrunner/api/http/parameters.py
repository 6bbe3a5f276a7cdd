"""Parameters: one description of each, which checks requests and stands in the OpenAPI document."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar, get_args, get_type_hints

from taskrunner.api.event_ids import EVENT_ID_PATTERN, read_event_id
from taskrunner.api.views.task_part import TASK_FIELDS
from taskrunner.domain.errors import (
    AttemptUnknown,
    CallerError,
    ExecutorUnknown,
    HostNameUnknown,
    KeyUnknown,
    OperationUnknown,
    QueueUnknown,
    ScheduleUnknown,
    TaskUnknown,
    WebhookUnknown,
)
from taskrunner.domain.executors.executor import NAME_PATTERN as EXECUTOR_PATTERN
from taskrunner.domain.executors.executor_limits import EXECUTOR, check_limited_name
from taskrunner.domain.hosts.host_name import check_pattern
from taskrunner.domain.keys.api_key import NAME_PATTERN as KEY_NAME
from taskrunner.domain.keys.audit import AUDIT_CONDITIONS
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.queues.queue import QUEUE_NAME as QUEUE_PATTERN
from taskrunner.domain.resource_name import NAME_PATTERN
from taskrunner.domain.targets.url import HOST_PATTERN, PORT_PATTERN
from taskrunner.domain.tasks.submitter import STORED_ID, with_namespace
from taskrunner.domain.tasks.task_filter import (
    CONDITIONS,
    LETTER_CONDITIONS,
    MAX_LABEL_TEXT,
    TaskFilter,
    TaskOrder,
    read_moment,
)
from taskrunner.domain.tasks.trace import read_traceparent
from taskrunner.stores.values import LETTER_PLACE, TASK_PLACE

Type = TypeVar("Type")

# draft-ietf-httpapi-idempotency-key-header makes the key a quoted string; most clients send it bare.
_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})')
# A key that sees the tasks of all keys uses the whole id, which begins with the name of the task's key.
_STORED_NAME = with_namespace(NAME_PATTERN)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# With the brackets of IPv6 hosts.
_CURSOR = r"[A-Za-z0-9._:|~=+/\[\]-]{1,4096}"
# What `read_filter` takes.
_LABEL = {"type": "string", "pattern": "^[^=]"}
_TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {
            "type": "string",
            "pattern": "^(?=[0-9])([0-9]{1,4}w)?([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$",
        },
    ]
}
BAD_CURSOR = "is not one that this API gave out; leave it out to start from the beginning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Generic[Type]):
    """`schema` is JSON Schema. `read` raises `ValueError` with what was expected, or the error to answer.

    A `repeatable` parameter is a list of texts, which the caller interprets.
    One that is `comma_separated` has a list as its value.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    read: Callable[[str], Type]
    default: Type
    place: Literal["query", "header", "path"] = "query"
    repeatable: bool = False
    comma_separated: bool = False

    @property
    def is_list(self) -> bool:
        return self.repeatable or self.comma_separated


def whole_number(name: str, description: str, *, least: int, most: int, default: int) -> Parameter[int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, got {shown(text)}")
        return int(text)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name=name, description=description, schema=schema, read=read, default=default)


def _flag(name: str, description: str) -> Parameter[bool]:
    def read(text: str) -> bool:
        if text not in {"true", "false"}:
            raise ValueError(f"must be true or false, got {shown(text)}")
        return text == "true"

    schema = {"type": "boolean", "default": False}
    return Parameter(name=name, description=description, schema=schema, read=read, default=False)


def _repeatable(name: str, description: str, items: Mapping[str, object]) -> Parameter[str]:
    schema = {"type": "array", "items": items}
    return Parameter(name=name, description=description, schema=schema, read=str, default="", repeatable=True)


def _condition(name: str, meaning: str) -> Parameter[str]:
    """A condition of `TaskFilter`, which `read_filter` reads."""
    if name == "label":
        return _repeatable(name, meaning, _LABEL)
    if name.endswith(("_after", "_before")):
        return Parameter(name=name, description=meaning, schema=_TIME, read=str, default="", repeatable=True)
    kinds = get_args(get_type_hints(TaskFilter)[name])
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StrEnum)]
    known = list(enums[0]) if enums else []
    schema: dict[str, object] = {"type": "string", **({"enum": known} if known else {"minLength": 1})}
    if name == "created_by":
        schema |= _pattern(KEY_NAME)
    if name == "queue":
        schema |= _pattern(QUEUE_PATTERN)
    if name == "label_text":
        schema["maxLength"] = MAX_LABEL_TEXT
    return Parameter(name=name, description=meaning, schema=schema, read=str, default="", repeatable=True)


def _members(name: str, description: str, known: Collection[str]) -> Parameter[tuple[str, ...] | None]:
    """Some of the `known` names, separated by commas."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        unknown = next((each for each in names if each not in known), None)
        if unknown is not None:
            raise ValueError(
                f"must be names of members, separated by commas; there is no {shown(unknown)}"
                f"{did_you_mean(unknown, known)}"
            )
        return names

    schema = {"type": "array", "items": {"type": "string", "enum": list(known)}, "minItems": 1}
    return Parameter(
        name=name, description=description, schema=schema, read=read, default=None, comma_separated=True
    )


def choice(name: str, description: str, known: tuple[str, ...]) -> Parameter[str]:
    """One of `known`, by default the first."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"must be one of {', '.join(known)}, got {shown(text)}")
        return text

    schema = {"type": "string", "enum": list(known), "default": known[0]}
    return Parameter(name=name, description=description, schema=schema, read=read, default=known[0])


def _cursor(begin: str = "") -> Parameter[str | None]:
    """A cursor that begins so. Every one of this form leads to a place of its list."""
    pattern = re.compile(begin + _CURSOR)

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(BAD_CURSOR)
        return text

    return Parameter(
        name="cursor",
        description="The `next_cursor` of the part before.",
        schema=_pattern(pattern),
        read=read,
        default=None,
    )


def _read_key(text: str) -> str:
    match = _KEY.fullmatch(text)
    if match is None:
        raise ValueError("must be 1 to 255 visible ASCII characters")
    return match[1] or match[2]


def _read_attempt_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise AttemptUnknown("attempts have numbers, from 1 on")
    return int(text)


def _path(
    name: str, description: str, schema: Mapping[str, object], read: Callable[[str], Type], unused: Type
) -> Parameter[Type]:
    return Parameter(
        name=name, description=description, schema=schema, read=read, default=unused, place="path"
    )


def _pattern(pattern: re.Pattern[str]) -> Mapping[str, object]:
    return {"type": "string", "pattern": f"^{pattern.pattern}$"}


def _named(
    name: str, what: str, pattern: re.Pattern[str], unknown: type[CallerError], *, by: str = "name"
) -> Parameter[str]:
    """The name, or the id, of a resource."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise unknown(f"no {what} can have the {by} {shown(text)}")
        return text

    article = "an" if what[0] in "aeiouA" else "a"
    schema = {"type": "string", "pattern": f"^{pattern.pattern}$"}
    return _path(name, f"The {by} of {article} {what}.", schema, read, "")


def _host_by(check: Callable[[str], str]) -> Callable[[str], str]:
    """Reads what `check` takes. Which names IDNA 2008 allows, no pattern can say: others are of no host."""

    def read(text: str) -> str:
        try:
            return check(text)
        except ValueError as exc:
            raise HostNameUnknown(f"no host can have this name: {exc}") from exc

    return read


TASK_ID = _named("id", "task or dead letter", STORED_ID, TaskUnknown, by="id")
SCHEDULE_NAME = _named("name", "schedule", _STORED_NAME, ScheduleUnknown)
WEBHOOK = _named("webhook", "webhook", _STORED_NAME, WebhookUnknown)
EXECUTOR_NAME = _named("executor", "executor", EXECUTOR_PATTERN, ExecutorUnknown)
API_KEY = _named("key", "API key", KEY_NAME, KeyUnknown)
QUEUE_NAME = _named("queue", "queue", QUEUE_PATTERN, QueueUnknown)
OPERATION_ID = _named("operation", "operation", _UUID, OperationUnknown, by="id")
SESSION = _path("session", "The id of a session, or current.", {"type": "string"}, str, "")
ATTEMPT_NUMBER = _path(
    "number", "The number of an attempt.", {"type": "integer", "minimum": 1}, _read_attempt_number, 0
)
HOST = _path(
    "host",
    "A host as in its URLs, such as example.com:8443, or executor:NAME.",
    {"type": "string", "pattern": f"^(?:{HOST_PATTERN}{PORT_PATTERN}|{EXECUTOR}{EXECUTOR_PATTERN.pattern})$"},
    _host_by(check_limited_name),
    "",
)
HOST_LIMIT = _path(
    "pattern",
    "A host, *.example.com (all below it), or *; each with or without a port.",
    {"type": "string", "pattern": rf"^(?:(?:\*\.)?{HOST_PATTERN}|\*){PORT_PATTERN}$"},
    _host_by(check_pattern),
    "",
)
FILE = _path("file", "A file of the documentation page.", {"type": "string"}, str, "")
CONSOLE_PATH = _path("path", "A file of the console, with its folders.", {"type": "string"}, str, "")
PATH_PARAMETERS: Mapping[str, Parameter[Any]] = {
    each.name: each
    for each in (
        *(TASK_ID, SCHEDULE_NAME, WEBHOOK, EXECUTOR_NAME, API_KEY, OPERATION_ID, QUEUE_NAME),
        *(ATTEMPT_NUMBER, HOST, HOST_LIMIT, FILE, CONSOLE_PATH, SESSION),
    )
}

IDEMPOTENCY_KEY: Parameter[str | None] = Parameter(
    name="Idempotency-Key",
    description="A request repeated with the same key is the same task.",
    schema={"type": "string", "pattern": f"^(?:{_KEY.pattern})$"},
    read=_read_key,
    default=None,
    place="header",
)
TRACEPARENT: Parameter[str | None] = Parameter(
    name="traceparent",
    description="W3C Trace Context: the request to the target belongs to this trace.",
    schema={"type": "string"},
    read=read_traceparent,
    default=None,
    place="header",
)


PREFER: Parameter[str | None] = Parameter(
    name="Prefer",
    description="`wait=SECONDS` (RFC 7240): answer when the task has ended, or after that time.",
    schema={"type": "string"},
    read=str,
    default=None,
    place="header",
)


def _event_id(name: str, place: Literal["query", "header"]) -> Parameter[str | None]:
    return Parameter(
        name=name,
        description="The id of the last event that the client has had: those that followed come first.",
        schema={"type": "string", "pattern": EVENT_ID_PATTERN},
        read=read_event_id,
        default=None,
        place=place,
    )


LAST_EVENT_ID = _event_id("Last-Event-ID", "header")
# For tools that cannot set headers.
LAST_EVENT_ID_QUERY = _event_id("last_event_id", "query")

LIMIT = whole_number("limit", "The largest number of items to answer.", least=1, most=200, default=50)
CURSOR, TASK_CURSOR, LETTER_CURSOR = _cursor(), _cursor(TASK_PLACE), _cursor(LETTER_PLACE)
SORT = choice("sort", "The order: by the time of creation, descending (-) or ascending.", tuple(TaskOrder))
FIELDS = _members("fields", "The members of each task to answer, beside those of a `view`.", TASK_FIELDS)
VIEW = choice("view", "basic leaves out headers, attempts, results and rules.", ("full", "basic"))
TASK_CONDITIONS = tuple(_condition(name, meaning) for name, meaning in CONDITIONS.items())
DEAD_LETTER_CONDITIONS = tuple(each for each in TASK_CONDITIONS if each.name in LETTER_CONDITIONS)

AUDIT_PARAMETERS: tuple[Parameter[str], ...] = tuple(
    Parameter(
        name=name,
        description=meaning,
        schema=_TIME if name in {"since", "until"} else {"type": "string"},
        read=str,
        default="",
    )
    for name, meaning in AUDIT_CONDITIONS.items()
)

TASK_DRY_RUN = _flag("dry_run", "Store nothing; answer with what a submit would do.")
CANCEL = _flag("cancel", "Cancel the tasks that have not ended, too.")
ATOMIC = _flag("atomic", "Accept all tasks or none.")

RESOLUTION = choice("resolution", "Of each second, or of each minute.", ("1s", "1m"))
SINCE: Parameter[datetime | None] = Parameter(
    name="since",
    description="A time (RFC 3339), or an age such as 15m; by default everything that is kept.",
    schema=_TIME,
    read=lambda text: read_moment(text, datetime.now(UTC)),
    default=None,
)

QUEUE = _repeatable("queue", "This queue.", _pattern(QUEUE_PATTERN))
LABEL = _repeatable("label", "Tasks with this label: NAME=VALUE, or NAME.", _LABEL)
ALL_TASKS = _flag("all", "Everything.")
SCOPES = (QUEUE, LABEL, ALL_TASKS)
