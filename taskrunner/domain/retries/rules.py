"""Outcome rules: a task says itself what an answer means.

`{"when": {"status": 200, "json": {"path": "$.state", "equals": "pending"}}, "then": "retry"}`: the first rule
whose conditions all hold decides; if there is none, the status decides as usual.

A path is a singular query of RFC 9535 (section 2.3.5.1): it selects at most one value. Filters and searches
are left out, since the answer of a target would decide how long they take.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from taskrunner.domain.constraints import After, Before, Constraint, Described, MakeSchema, Schema, whole
from taskrunner.domain.messages import shown
from taskrunner.domain.retries.response_json import MISSING, BodyUnreadable, read_document
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.task_fields import TOKEN, check_header_name
from taskrunner.domain.value import Value

MAX_RULES = 20
# They travel in every envelope of the task.
MAX_RULES_BYTES = 8 * 1024
_MAX_VALUES = 50
_MAX_STEPS = 16

# RFC 9535 2.5.1.1 and 2.3.3.1; quoted names have no quotes or backslashes in them.
_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_\u0080-\U0010FFFF][A-Za-z0-9_\u0080-\U0010FFFF]*)"""
    r"""|\[(?P<index>0|-?[1-9][0-9]{0,8})\]"""
    r"""|\[(?:'(?P<single>[^'"\\]*)'|"(?P<double>[^'"\\]*)")\]"""
)
# For JSON Schema, in ECMA 262: what `parse_path` reads.
PATH_PATTERN = (
    r"^\$(?:\.[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*|\[(?:0|-?[1-9][0-9]{0,8})\]"
    rf"|\['[^'\"\\]*'\]|\[\"[^'\"\\]*\"\]){{0,{_MAX_STEPS}}}$"
)

Status = Annotated[int, Constraint(ge=200, le=999), Before(whole)]
Statuses = Annotated[tuple[Status, ...], Constraint(max_length=_MAX_VALUES)]
Text = Annotated[str, Constraint(max_length=1024)]
# 64 bits: whole numbers that every JSON library can hold.
Whole = Annotated[int, Constraint(ge=-(2**63), lt=2**63)]
_OneFinding = Constraint(
    custom_error_type="scalar",
    custom_error_message="must be text of at most 1024 characters, a number, true, false or null",
)
Scalar = (
    Annotated[Text | bool | Whole | Annotated[float, Constraint(allow_inf_nan=False)], _OneFinding] | None
)
_Bounded = Constraint(max_length=_MAX_VALUES)


def _listed(value: Any) -> Any:
    """A single value means a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _listed_or_none(value: Any) -> Any:
    """As `_listed`; null means that the condition is left out."""
    return None if value is None else _listed(value)


@lru_cache(maxsize=256)
def parse_path(text: str) -> tuple[str | int, ...]:
    """The steps of a path. Raises `ValueError`."""
    if not text.startswith("$"):
        raise ValueError(f"must start with $, such as $.items[0].state, got {shown(text)}")
    steps: list[str | int] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(
                f"must have only .name, ['name'] and [number] after the $, got {shown(text[position:])}"
            )
        steps.append(int(match["index"]) if match["index"] else match[match.lastgroup or 0])
        position = match.end()
    if len(steps) > _MAX_STEPS:
        raise ValueError(f"has {len(steps)} steps, at most {_MAX_STEPS} are allowed")
    return tuple(steps)


def _checked_path(text: str) -> str:
    parse_path(text)
    return text


def _checked_name(name: str) -> str:
    check_header_name(name)
    return name


def _checked_values(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must have at least 1 value; leave it out to accept any value")
    return values


class _OneOrMore(Before):
    """For the OpenAPI document: a list, or one of its items."""

    def __get_pydantic_json_schema__(self, schema: Schema, make: MakeSchema) -> Schema:
        described = make(schema)
        choices = described.get("anyOf", [described])
        items = [each["items"] for each in choices if each.get("type") == "array"]
        return {"anyOf": [*items, *choices]}


_Listed = _OneOrMore(_listed)
_ListedOrNone = _OneOrMore(_listed_or_none)
_Some = After(_checked_values)
_NotEmpty = Described(minItems=1)
# What `When` demands.
_NOTHING: Schema = {"enum": [None, []]}
_OneCondition = Described(
    anyOf=[
        {"required": [name], "properties": {name: {"not": _NOTHING}}} for name in ("status", "header", "json")
    ]
)


class RuleAction(StrEnum):
    """The result of a rule. `throttle` is a retry that does not count as an attempt: the target is busy."""

    SUCCESS = "success"
    RETRY = "retry"
    THROTTLE = "throttle"
    FAIL = "fail"


class HeaderCondition(Value):
    """The header is present; with `equals`, it has one of these values."""

    name: Annotated[
        str, Constraint(max_length=256), After(_checked_name), Described(pattern=f"^{TOKEN.pattern}$")
    ]
    equals: Annotated[Annotated[tuple[Text, ...], _Bounded, _Some, _NotEmpty] | None, _ListedOrNone] = None

    def holds(self, response: Response) -> bool:
        name = self.name.lower()
        values = [value for known, value in response.headers if known.lower() == name]
        return bool(values) if self.equals is None else not set(values).isdisjoint(self.equals)


class JsonCondition(Value):
    """The body is JSON and has a value at `path`; with `equals`, one of these."""

    path: Annotated[Text, After(_checked_path), Described(pattern=PATH_PATTERN)]
    equals: Annotated[Annotated[tuple[Scalar, ...], _Bounded, _Some, _NotEmpty] | None, _Listed] = None

    def __post_init__(self) -> None:
        parse_path(self.path)

    def holds(self, document: Any) -> bool:
        found = _find(document, parse_path(self.path))
        if self.equals is None or found is MISSING:
            return found is not MISSING
        return any(_is_same(found, value) for value in self.equals)


class When(Value):
    """All given conditions must hold."""

    status: Annotated[Statuses | None, _ListedOrNone] = None
    header: HeaderCondition | None = None
    json: JsonCondition | None = None

    def __post_init__(self) -> None:
        if not (self.status or self.header or self.json):
            raise ValueError("must have a condition: status, header or json")


class Rule(Value):
    """`then` is the result for an answer that meets `when`."""

    when: Annotated[When, _OneCondition]
    then: RuleAction

    def holds(self, response: Response, body: "JsonBody") -> bool:
        """Whether the rule holds for `response`, whose body is `body`."""
        when = self.when
        if when.status is not None and (response.status is None or response.status not in when.status):
            return False
        if when.header is not None and not when.header.holds(response):
            return False
        return when.json is None or when.json.holds(body.document)


Rules = tuple[Rule, ...]


class RulesUnreadable(StrEnum):
    """What happens if a rule depends on a document that cannot be read."""

    RETRY = "retry"
    FAIL = "fail"
    IGNORE = "ignore"


class JsonBody:
    """A response body, parsed when a rule needs it. `unreadable` says why it could not be read."""

    def __init__(self, response: Response) -> None:
        self.unreadable: str | None = None
        self._response = response
        self._document: Any = None
        self._parsed = False

    @property
    def document(self) -> Any:
        """`MISSING` for a body that is not JSON, or cannot be read."""
        if not self._parsed:
            self._parsed = True
            try:
                self._document = read_document(self._response)
            except BodyUnreadable as exc:
                self._document, self.unreadable = MISSING, str(exc)
        return self._document


def first_match(rules: Rules, response: Response) -> tuple[int | None, str | None]:
    """The index of the first rule that holds for a complete answer, and why an earlier one was not asked.

    The reason is a sentence for users. A `json` condition does not hold for a document that cannot be read.
    """
    body = JsonBody(response)
    index = next((index for index, rule in enumerate(rules) if rule.holds(response, body)), None)
    return index, body.unreadable


def _find(document: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return MISSING
    return document


def _is_same(found: Any, value: Scalar) -> bool:
    """As in JSON: `true` is not 1, although Python says so."""
    return isinstance(found, bool) is isinstance(value, bool) and bool(found == value)
