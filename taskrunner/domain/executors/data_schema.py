"""The data schema: checks the data of an executor's tasks by its JSON Schema 2020-12.

Patterns are regular expressions without look-around and back-references, whose time is linear in the text:
https://docs.rs/regex/latest/regex/#untrusted-input
"""

from itertools import islice

import orjson
from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError, meta

from taskrunner.domain.errors import FieldError
from taskrunner.domain.executors.schema_rules import check_dialect, check_schema_rules
from taskrunner.domain.json_text import JsonUnfit, check_depth, check_distinct
from taskrunner.domain.validation import MAX_FINDINGS, at_most, shortened

MAX_SCHEMA_BYTES = 32 * 1024
MAX_SCHEMA_DEPTH = 32
# Listing all findings of so many checks takes 0.1 s; beyond that, none are listed.
_MAX_TOLD = 20_000
# So many checks take 1 s, so many steps 0.4 s.
_MAX_CHECKS, _MAX_STEPS = 30_000_000, 50_000_000
_MAX_RULE_CHARS = 300
# In place of values, which may be secret.
_MASK = "the value"
_TOO_MANY = "does not fit the executor's schema; it is too large to say where"
_NO_READER = "is JSON that a schema cannot check"


class DataSchema:
    """The compiled schema of a text. Raises `ValueError` for one that is no schema, or not one we take."""

    __slots__ = ("_cost", "_validator")

    def __init__(self, text: str) -> None:
        if len(text.encode()) > MAX_SCHEMA_BYTES:
            raise ValueError(f"is {len(text.encode())} bytes long, at most {MAX_SCHEMA_BYTES} are allowed")
        try:
            check_depth(text.encode(), MAX_SCHEMA_DEPTH)
            schema = orjson.loads(text)
            check_distinct(text, schema)
        except JsonUnfit as exc:
            raise ValueError(str(exc)) from exc
        except orjson.JSONDecodeError as exc:
            raise ValueError(f"{_NO_READER}: {exc}") from exc
        check_dialect(schema)
        try:
            meta.validate(schema)
            self._cost = check_schema_rules(schema)
            self._validator = Draft202012Validator(
                schema, pattern_options=RegexOptions(), mask=_MASK, offline=True
            )
        except (ReferencingError, ValidationError) as exc:
            raise ValueError(_reason(exc)) from exc

    def findings(self, data: str | None) -> list[FieldError]:
        """What is wrong with a text of JSON, each with its place and the rule; None is null."""
        text = "null" if data is None else data
        values = text.count(",") + text.count("[") + text.count("{") + 1
        cost = self._cost
        if values * cost.checks > _MAX_CHECKS or len(text) * cost.pattern_steps > _MAX_STEPS:
            message = f"{values} values in {len(text)} characters are too many for a schema of this size"
            return [FieldError(field="data", message=message)]
        try:
            value = orjson.loads(text)
            check_distinct(text, value)
        except JsonUnfit as exc:
            return [FieldError(field=f"data.{exc.path}".rstrip("."), message=exc.reason)]
        except orjson.JSONDecodeError as exc:
            return [FieldError(field="data", message=f"{_NO_READER}: {exc}")]
        if self._validator.is_valid(value):
            return []
        if data is None:
            return [FieldError(field="data", message="is required")]
        if values * cost.findings > _MAX_TOLD:
            return [FieldError(field="data", message=_TOO_MANY)]
        errors = self._validator.iter_errors(value)
        found = [_finding(error) for error in islice(errors, MAX_FINDINGS)]
        return at_most(found, len(found) + sum(1 for _ in errors))


def _reason(exc: ReferencingError | ValidationError) -> str:
    if isinstance(exc, ReferencingError):
        return f"$ref: {exc}"
    message = exc.message
    if message.endswith('is not a "regex"'):
        message = (
            "is not a regular expression that takes linear time, which has no look-around and no "
            "back-references"
        )
    place = _pointer(exc.instance_path)
    return f"is not a JSON Schema 2020-12: {place}: {message}" if place else message


def _finding(error: ValidationError) -> FieldError:
    """`field` ends in the JSON Pointer (RFC 6901) of the value; `rule` is that of the keyword."""
    return FieldError(
        field=shortened(f"data{_pointer(error.instance_path)}"),
        message=error.message,
        rule=_pointer(error.schema_path)[:_MAX_RULE_CHARS],
    )


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
