"""Turns pydantic's findings into our field errors, with a proposal for names that were misspelt."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from taskrunner.domain.errors import FieldError

_SHOWN_CHARS = 60


def field_errors(exc: ValidationError, known: Iterable[str] = ()) -> list[FieldError]:
    """One `FieldError` per finding, in the order of the fields; `known` are the names to propose from."""
    names = list(known)
    return [_field_error(detail, names) for detail in exc.errors(include_url=False)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean "…"?` for the closest known name, else an empty string."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f', did you mean "{by_folded[close[0]]}"?' if close else ""


def shown(value: object) -> str:
    """`value` as an error message may show it: short, and on one line."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def _field_error(detail: ErrorDetails, known: list[str]) -> FieldError:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return FieldError(field=path, message="unknown field" + did_you_mean(str(detail["loc"][-1]), known))
    if detail["type"] == "missing":
        return FieldError(field=path, message="is required")
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in {"value_error", "json_invalid"}:
        return FieldError(field=path, message=message)
    message = message[:1].lower() + message[1:]
    return FieldError(field=path, message=f"{message}, got {shown(detail['input'])}")
