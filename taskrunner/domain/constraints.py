"""Constraints: what a field may hold, said without pydantic, which the process of the workers does not load.

Where JSON is read, pydantic asks the annotations of a field for their part of its schema, and its schemas are
plain dictionaries:
https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
MakeSchema = Callable[[Any], Schema]


class Constraint:
    """ScalingSettings by their names in the schema of the field's type: `ge`, `max_length`, `allow_inf_nan`, …"""

    def __init__(self, **bounds: Any) -> None:
        self._bounds = bounds

    def __get_pydantic_core_schema__(self, source: Any, make: MakeSchema) -> Schema:
        return make(source) | self._bounds


class Before:
    """`change` makes of what was given what is then checked."""

    _kind = "function-before"

    def __init__(self, change: Callable[[Any], Any]) -> None:
        self._change = change

    def __get_pydantic_core_schema__(self, source: Any, make: MakeSchema) -> Schema:
        function = {"type": "no-info", "function": self._change}
        return {"type": self._kind, "function": function, "schema": make(source)}


class After(Before):
    """`change` makes of what was checked what is kept, or raises `ValueError`."""

    _kind = "function-after"
