"""Host limits: concurrency and rate by host pattern; the most specific pattern applies."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from taskrunner.domain.errors import FieldError, HostLimitInvalid
from taskrunner.domain.hosts.host_name import patterns_for
from taskrunner.domain.json_fields import WholeNumber
from taskrunner.domain.json_text import JsonUnfit, decode, join, members, merge_fields
from taskrunner.domain.messages import shown
from taskrunner.domain.validation import excess, field_errors
from taskrunner.domain.value import Value

_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(?:/(s|m|h))?")
_UNITS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_RATE = 100_000
# For JSON Schema, in ECMA 262: the texts above 0 and up to the most, by unit.
RATE_PATTERN = (
    r"^\s*(?=[0-9.]*[1-9])(?:"
    r"(?:0{0,4}[0-9]{1,5}(?:\.[0-9]{1,6})?|0{0,3}100000(?:\.0{1,6})?)(?:/s)?"
    r"|(?:0{0,2}[0-5]?[0-9]{1,6}(?:\.[0-9]{1,6})?|0{0,2}6000000(?:\.0{1,6})?)/m"
    r"|(?:(?:[0-2]?[0-9]{1,8}|3[0-5][0-9]{7})(?:\.[0-9]{1,6})?|360000000(?:\.0{1,6})?)/h"
    r")\s*$"
)
_PARTS = re.compile(r"[\s,;]+")


def _read_rate(given: Any) -> Any:
    """`10/s`, `90/m`, `5/h`, or a number per second."""
    if isinstance(given, bool):
        raise ValueError(f"must be a number with /s, /m or /h, got {shown(given)}")
    if not isinstance(given, str):
        return given
    match = _RATE.fullmatch(given.strip())
    if match is None:
        raise ValueError(f"must be a number with /s, /m or /h, got {shown(given)}")
    return float(match[1]) / _UNITS[match[2]]


def _read_count(given: Any) -> Any:
    """Refuses `true`, which Python takes for a whole number."""
    if isinstance(given, bool):
        raise ValueError(f"must be a whole number, got {shown(given)}")
    return given


Count = Annotated[WholeNumber, Field(ge=1, le=100_000), BeforeValidator(_read_count)]
_GIVEN = {"not": {"type": "null"}}
# What `_check` demands, in JSON Schema.
BURST_NEEDS_RATE: dict[str, Any] = {
    "if": {"required": ["burst"], "properties": {"burst": _GIVEN}},
    "then": {"required": ["rate"], "properties": {"rate": _GIVEN}},
}
_DEMANDS: dict[str, Any] = {
    "anyOf": [{"required": [name], "properties": {name: _GIVEN}} for name in ("concurrency", "rate")],
    **BURST_NEEDS_RATE,
}
Rate = Annotated[
    float,
    Field(gt=0, le=_MOST_RATE, allow_inf_nan=False),
    BeforeValidator(
        _read_rate,
        json_schema_input_type=Annotated[float, Field(gt=0, le=_MOST_RATE)]
        | Annotated[str, Field(pattern=RATE_PATTERN)],
    ),
]


class HostLimit(BaseModel):
    """The limit of one host. At least one of `concurrency` and `rate` is given.

    `concurrency` is in attempts at a time, `rate` in starts per second, `burst` in starts at once after a
    rest (by default a second's worth, at least 1). Each host that matches a pattern has the limit for itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"allOf": [_DEMANDS]})

    concurrency: Count | None = None
    rate: Rate | None = None
    burst: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> "HostLimit":
        if self.concurrency is None and self.rate is None:
            raise ValueError("needs concurrency or rate")
        if self.burst is not None and self.rate is None:
            raise ValueError("burst needs a rate")
        return self

    @property
    def interval(self) -> float:
        """Seconds between two starts, 0 without a rate."""
        return 0.0 if self.rate is None else 1.0 / self.rate

    @property
    def allowance(self) -> int:
        """How many may start at once after a rest."""
        return self.burst or max(1, math.floor(self.rate or 1))

    @property
    def text(self) -> str:
        """The limit as users write it, such as `concurrency=4 rate=90/m`; `read_limit` parses it."""
        parts = {"concurrency": self.concurrency, "rate": rate_text(self.rate), "burst": self.burst}
        return " ".join(f"{name}={part}" for name, part in parts.items() if part is not None)

    def fields(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return self.model_dump()

    def encode(self) -> bytes:
        return orjson.dumps(self.fields())


def read_limit(given: Any) -> HostLimit:
    """A limit from its JSON form, or from text such as `concurrency=4 rate=10/s`.

    Raises `HostLimitInvalid`.
    """
    if not isinstance(given, bytes | Mapping):
        given = _named(given)
    try:
        if isinstance(given, bytes):
            return HostLimit.model_validate_json(given, strict=True)
        return HostLimit.model_validate(given)
    except ValidationError as exc:
        raise HostLimitInvalid(field_errors(exc, known=HostLimit.model_fields)) from exc


def read_document(raw: bytes, known: HostLimit | None = None) -> HostLimit:
    """A limit from a client's JSON; with `known`, from a merge patch of that limit (RFC 7396).

    Raises `HostLimitInvalid`.
    """
    if too_much := excess(raw):
        raise HostLimitInvalid([too_much])
    try:
        text = join(members(decode(raw)))
        if known is not None:
            text = merge_fields(known.encode().decode(), text, HostLimit.model_fields)
    except JsonUnfit as exc:
        raise HostLimitInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
    return read_limit(text.encode("utf-8", "surrogatepass"))


def read_limits(given: Mapping[str, bytes]) -> dict[str, HostLimit]:
    """The limits of a store, by pattern. TaskLimits of other versions are ignored."""
    limits: dict[str, HostLimit] = {}
    for pattern, encoded in given.items():
        with suppress(HostLimitInvalid):
            limits[pattern] = read_limit(encoded)
    return limits


def rate_text(rate: float | None) -> str | None:
    """A rate as users write it, in the smallest unit in which the number is at least 1."""
    if rate is None:
        return None
    unit = next((unit for unit in ("s", "m") if rate * _UNITS[unit] >= 1), "h")
    return f"{rate * _UNITS[unit]:.6g}/{unit}"


def _named(text: Any) -> dict[str, str]:
    named: dict[str, str] = {}
    for part in _PARTS.split(text.strip() if isinstance(text, str) else ""):
        name, equals, content = part.partition("=")
        if not equals or name in named:
            message = f"must be such as concurrency=4 rate=10/s burst=20, got {shown(text or '')}"
            raise HostLimitInvalid([FieldError(field="", message=message)])
        named[name] = content
    return named


class AppliedLimit(Value):
    """The limit that applies to a host, and its pattern."""

    pattern: str
    limit: HostLimit


class HostLimits:
    """All limits in force, by pattern as `check_pattern` spells it. A lookup does not depend on their number.

    A limit `given` by the API overrules a `configured` one with the same pattern.
    """

    def __init__(
        self, configured: Mapping[str, HostLimit] | None = None, given: Mapping[str, HostLimit] | None = None
    ) -> None:
        self.limits: Mapping[str, HostLimit] = {**(configured or {}), **(given or {})}

    def find(self, host: str) -> AppliedLimit | None:
        """The limit of a host, as `host_of` names it."""
        for pattern in patterns_for(host) if self.limits else ():
            limit = self.limits.get(pattern)
            if limit is not None:
                return AppliedLimit(pattern=pattern, limit=limit)
        return None
