"""Constraints on a field, for pydantic but without importing it: worker processes do not load pydantic.

pydantic asks the annotations of a field for their part of its schema, which is a plain dictionary:
https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
MakeSchema = Callable[[Any], Schema]


def whole(given: Any) -> Any:
    """5.0 as 5: to JSON Schema (6.1.1), a number without a fraction is an integer."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


class Constraint:
    """ScalingSettings, named as in the schema of the field's type: `ge`, `max_length`, `allow_inf_nan`, …"""

    def __init__(self, **bounds: Any) -> None:
        self._bounds = bounds

    def __get_pydantic_core_schema__(self, source: Any, make: MakeSchema) -> Schema:
        return make(source) | self._bounds


class Described:
    """Members of the field's JSON Schema that say what other constraints check."""

    def __init__(self, **members: Any) -> None:
        self._members = members

    def __get_pydantic_json_schema__(self, schema: Schema, make: MakeSchema) -> Schema:
        return {**make(schema), **self._members}


class Before:
    """`change` converts the given value before it is checked."""

    _kind = "function-before"

    def __init__(self, change: Callable[[Any], Any]) -> None:
        self._change = change

    def __get_pydantic_core_schema__(self, source: Any, make: MakeSchema) -> Schema:
        function = {"type": "no-info", "function": self._change}
        return {"type": self._kind, "function": function, "schema": make(source)}


class After(Before):
    """`change` converts the checked value, or raises `ValueError`."""

    _kind = "function-after"
