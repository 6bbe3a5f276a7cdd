"""Outcome rules: what an answer means to a task, said by the task itself.

`{"when": {"status": 200, "json": {"path": "$.state", "equals": "pending"}}, "then": "retry"}`: the first rule
of which every condition holds decides; where none does, the status decides as ever.

A path is a singular query of RFC 9535 (section 2.3.5.1), which names one place at most. The rest of JSONPath,
filters and searches, would let a target's answer decide how long we look at it.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from taskrunner.domain.admission import check_header_name
from taskrunner.domain.outcome import Response
from taskrunner.domain.validation import shown

MAX_RULES = 20
# They travel in every envelope of the task.
MAX_RULES_BYTES = 8 * 1024
# Parsed, JSON takes up to thirty times its size, and many answers are looked at side by side.
MAX_JSON_BYTES = 256 * 1024
_MAX_VALUES = 50
_MAX_STEPS = 16
_MISSING = object()

# RFC 9535 2.5.1.1 and 2.3.3.1; in quotes, every character but quotes and backslashes.
_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_\u0080-\U0010FFFF][A-Za-z0-9_\u0080-\U0010FFFF]*)"""
    r"""|\[(?P<index>0|-?[1-9][0-9]{0,8})\]"""
    r"""|\[(?:'(?P<single>[^'"\\]*)'|"(?P<double>[^'"\\]*)")\]"""
)

Status = Annotated[int, Field(ge=200, le=999)]
Statuses = Annotated[tuple[Status, ...], Field(max_length=_MAX_VALUES)]
Text = Annotated[str, StringConstraints(max_length=1024)]
# What JSON's writers and readers hold for whole numbers everywhere: 64 bits.
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Scalar = Text | bool | Whole | Annotated[float, Field(allow_inf_nan=False)] | None


def _listed(value: Any) -> Any:
    """One value is a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@lru_cache(maxsize=256)
def parse_path(text: str) -> tuple[str | int, ...]:
    """The steps of a path. Raises `ValueError`."""
    if not text.startswith("$"):
        raise ValueError(f"must start with $, such as $.items[0].state, got {shown(text)}")
    steps: list[str | int] = []
    place = 1
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            raise ValueError(
                f"must have only .name, ['name'] and [number] after the $, got {shown(text[place:])}"
            )
        steps.append(int(match["index"]) if match["index"] else match[match.lastgroup or 0])
        place = match.end()
    if len(steps) > _MAX_STEPS:
        raise ValueError(f"has {len(steps)} steps, at most {_MAX_STEPS} are allowed")
    return tuple(steps)


def _checked_path(text: str) -> str:
    parse_path(text)
    return text


def _checked_name(name: str) -> str:
    check_header_name(name)
    return name


Listed = BeforeValidator(_listed)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ruling(StrEnum):
    """What an attempt is taken for. `throttle` is a retry that counts no attempt: the target is only busy."""

    SUCCESS = "success"
    RETRY = "retry"
    THROTTLE = "throttle"
    FAIL = "fail"


class HeaderCondition(_Part):
    """A header of that name is there; with `equals`, with one of these values."""

    name: Annotated[str, StringConstraints(max_length=256), AfterValidator(_checked_name)]
    equals: Annotated[tuple[Text, ...] | None, Listed, Field(min_length=1, max_length=_MAX_VALUES)] = None

    def holds(self, response: Response) -> bool:
        name = self.name.lower()
        values = [value for known, value in response.headers if known.lower() == name]
        return bool(values) if self.equals is None else not set(values).isdisjoint(self.equals)


class JsonCondition(_Part):
    """The body is JSON and has a value at that place; with `equals`, one of these."""

    path: Annotated[Text, AfterValidator(_checked_path)]
    equals: Annotated[tuple[Scalar, ...] | None, Listed, Field(min_length=1, max_length=_MAX_VALUES)] = None

    def holds(self, document: Any) -> bool:
        found = _find(document, parse_path(self.path))
        if self.equals is None or found is _MISSING:
            return found is not _MISSING
        return any(_is_same(found, value) for value in self.equals)


class When(_Part):
    """Conditions that must all hold."""

    status: Annotated[Statuses | None, Listed] = None
    header: HeaderCondition | None = None
    # Not by its own name: pydantic's models have a method that is called so.
    json_: JsonCondition | None = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.status or self.header or self.json_):
            raise ValueError("must have a condition: status, header or json")
        return self


class Rule(_Part):
    """What an answer that meets `when` is taken for."""

    when: When
    then: Ruling

    def holds(self, response: Response, body: "JsonBody") -> bool:
        """`body` is that of `response`."""
        when = self.when
        if when.status is not None and response.status not in when.status:
            return False
        if when.header is not None and not when.header.holds(response):
            return False
        return when.json_ is None or when.json_.holds(body.document)


Rules = tuple[Rule, ...]
_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)


class JsonBody:
    """A body, parsed when somebody asks."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._document: Any = None
        self._parsed = False

    @property
    def document(self) -> Any:
        """`_MISSING` for a body that is no JSON, that was not kept to its end, or that is too large."""
        if not self._parsed:
            self._parsed = True
            self._document = _parse(self._response)
        return self._document


def first_match(rules: Rules, response: Response) -> int | None:
    """The place of the first rule that holds for a complete answer."""
    body = JsonBody(response)
    return next((place for place, rule in enumerate(rules) if rule.holds(response, body)), None)


def encode_rules(rules: Rules) -> bytes:
    """As JSON, without the conditions that are not there."""
    return orjson.dumps(rules_fields(rules))


def rules_fields(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Their JSON form."""
    return [rule.model_dump(mode="json", by_alias=True, exclude_unset=True) for rule in rules]


@lru_cache(maxsize=128)
def decode_rules(encoded: bytes) -> Rules:
    """The inverse of `encode_rules`."""
    return _RULES.validate_json(encoded)


def _parse(response: Response) -> Any:
    if response.truncated or len(response.body) > MAX_JSON_BYTES:
        return _MISSING
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return _MISSING


def _find(document: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step, _MISSING)
        elif isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return _MISSING
    return document


def _is_same(found: Any, value: Scalar) -> bool:
    """As JSON has it: true is not 1, although Python says so."""
    return isinstance(found, bool) is isinstance(value, bool) and bool(found == value)
