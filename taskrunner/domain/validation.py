"""Validation: turns pydantic's findings into field errors, with suggestions for misspelt names."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import orjson
from pydantic import ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from taskrunner.domain.errors import FieldError, FieldsInvalid, TaskInvalid
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.tasks.task_limits import TaskLimits

# pydantic's error types for an unknown field of a model and of a dataclass.
UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_QUOTED = re.compile(r"'([^']+)'")
# Where pydantic's message speaks of parsing or of Python types.
_PLAIN = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be text",
    **dict.fromkeys(("list_type", "tuple_type"), "must be an array"),
}


# A client with more mistakes corrects these first.
MAX_FINDINGS = 20
# Below this many bytes there is no room for findings that would keep the event loop busy.
_FEW_BYTES = 16 * 1024
# More than any valid document has: 1,000 headers and labels each, 8 KiB of rules.
_MAX_VALUES = 8000
_MAX_PATH_CHARS = 200


def limits_of(info: ValidationInfo) -> TaskLimits:
    """The limits of a validation: its context, else the defaults."""
    return info.context if isinstance(info.context, TaskLimits) else TaskLimits()


def field_errors(
    exc: ValidationError, known: Iterable[str] = (), hidden: Collection[str] = ()
) -> list[FieldError]:
    """One `FieldError` per finding, in the order of the fields.

    `known` are the top-level names to suggest, `hidden` the fields whose values are never shown.
    """
    names = list(known)
    details = exc.errors(include_url=False)
    found = [_field_error(detail, names, hidden) for detail in islice(details, MAX_FINDINGS)]
    return at_most(found, len(details))


@contextmanager
def task_finding(field: str) -> Iterator[None]:
    """A `ValueError` inside is the finding about this field of a task."""
    try:
        yield
    except ValueError as exc:
        raise TaskInvalid([FieldError(field=field, message=str(exc))]) from exc


def findings_of(exc: FieldsInvalid) -> int:
    """How many findings the validation made, which is its work; not all of them are in `errors`."""
    cause = exc.__cause__
    return cause.error_count() if isinstance(cause, ValidationError) else len(exc.errors)


def at_most(errors: Sequence[FieldError], count: int | None = None) -> list[FieldError]:
    """The first `MAX_FINDINGS` of `count` findings, and how many there are if that is not all."""
    count = len(errors) if count is None else count
    shown_errors = list(errors[:MAX_FINDINGS])
    if count > MAX_FINDINGS:
        message = f"{count} findings; the first {MAX_FINDINGS} are listed"
        shown_errors[-1] = FieldError(field="", message=message)
    return shown_errors


def shortened(path: str) -> str:
    """A name that a client has chosen, in a length that can be answered."""
    return path if len(path) <= _MAX_PATH_CHARS else f"{path[: _MAX_PATH_CHARS - 1]}…"


def excess(raw: bytes | str, free: Collection[str] = ()) -> FieldError | None:
    """The finding for a document with more values than any valid one has, before each would be validated.

    `free` are the top-level fields that may hold any JSON. 785 bytes of gzip can hold 60,000 invalid rules.
    """
    if len(raw) <= _FEW_BYTES:
        return None
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None  # its validation says what is wrong with it
    if not isinstance(document, dict):
        return None
    if len(document) > _MAX_VALUES:
        return FieldError(
            field="", message=f"{len(document)} fields, at most {_MAX_VALUES} values are allowed"
        )
    for name, value in document.items():
        if name not in free and _counts_more(value, _MAX_VALUES):
            message = f"holds more than {_MAX_VALUES} values; no valid field is that large"
            return FieldError(field=shortened(name), message=message)
    return None


def _counts_more(value: Any, most: int) -> bool:
    """Whether more than `most` values are in `value`. Not recursive: JSON may be nested deeply."""
    count, waiting = 0, [value]
    while waiting and count <= most:
        each = waiting.pop()
        count += 1
        if isinstance(each, dict | list):
            if len(each) > most:
                return True
            waiting.extend(each.values() if isinstance(each, dict) else each)
    return count > most


def finding(detail: ErrorDetails, *, hidden: bool) -> str:
    """The finding as a sentence; `hidden`: without the value."""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in {"value_error", "json_invalid"}:
        return message
    message = _PLAIN.get(detail["type"], message).replace("Input should ", "must ", 1)
    message = message[:1].lower() + message[1:]
    if hidden or not isinstance(detail["input"], str | int | float | None):
        return message
    message = f"{message}, got {shown(detail['input'])}"
    if detail["type"] in {"enum", "literal_error"}:
        message += did_you_mean(str(detail["input"]), _QUOTED.findall(detail["ctx"]["expected"]))
    return message


def _field_error(detail: ErrorDetails, known: list[str], hidden: Collection[str]) -> FieldError:
    path = shortened(".".join(str(part) for part in detail["loc"]))
    if detail["type"] in UNKNOWN:
        # Top-level names are no suggestions for a nested field.
        names = known if len(detail["loc"]) == 1 else []
        return FieldError(field=path, message="unknown field" + did_you_mean(str(detail["loc"][-1]), names))
    if detail["type"] == "missing":
        return FieldError(field=path, message="is required")
    # Without a path the value is the whole document.
    is_hidden = not detail["loc"] or detail["loc"][0] in hidden
    return FieldError(field=path, message=finding(detail, hidden=is_hidden))
