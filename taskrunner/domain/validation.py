"""Validation: turns pydantic's findings into field errors, with suggestions for misspelt names."""

import re
from collections.abc import Collection, Iterable

from pydantic import ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from taskrunner.domain.errors import FieldError
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.task_limits import TaskLimits

# pydantic's error types for an unknown field of a model and of a dataclass.
UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_QUOTED = re.compile(r"'([^']+)'")
# Where pydantic's message speaks of parsing or of Python types.
_PLAIN = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
}


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
    return [_field_error(detail, names, hidden) for detail in exc.errors(include_url=False)]


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
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] in UNKNOWN:
        # Top-level names are no suggestions for a nested field.
        names = known if len(detail["loc"]) == 1 else []
        return FieldError(field=path, message="unknown field" + did_you_mean(str(detail["loc"][-1]), names))
    if detail["type"] == "missing":
        return FieldError(field=path, message="is required")
    # Without a path the value is the whole document.
    is_hidden = not detail["loc"] or detail["loc"][0] in hidden
    return FieldError(field=path, message=finding(detail, hidden=is_hidden))
