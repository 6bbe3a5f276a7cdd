"""The schema of a handler's data: a type (pydantic model, TypedDict, dataclass) or a JSON Schema.

A type gives both: the JSON Schema, which data is held against when a task is submitted, and the object that
the handler gets. pydantic is not imported here: a worker process without pydantic models does without it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, is_typeddict

import msgspec

Schema = type[Any] | Mapping[str, Any] | None


class DataUnfit(Exception):
    """Data that the schema does not allow, or that is not JSON; says where and why, without the values."""


class SchemaUnusable(Exception):
    """The value given as a schema cannot be used as one."""


class HandlerSchema:
    """How data is read. `json_schema` is None where any JSON will do. Raises `SchemaUnusable`."""

    def __init__(self, schema: Schema) -> None:
        self.json_schema: Mapping[str, Any] | None = None
        self._read: Callable[[bytes], Any] = json.loads
        if schema is None:
            return
        if isinstance(schema, Mapping):
            self.json_schema = _plain(schema)
        elif not isinstance(schema, type):
            raise SchemaUnusable(
                "must be a pydantic model, a TypedDict, a dataclass or a JSON Schema (a dict), "
                f"got {type(schema).__name__}"
            )
        elif hasattr(schema, "model_validate_json"):
            self.json_schema, self._read = _model_schema(schema), schema.model_validate_json
        elif is_typeddict(schema) or is_dataclass(schema) or issubclass(schema, msgspec.Struct):
            self.json_schema, self._read = _type_schema(schema), _decoder(schema)
        else:
            raise SchemaUnusable(
                f"{schema.__name__} is not a pydantic model, TypedDict or dataclass; "
                "give one of those, or a JSON Schema as a dict"
            )

    def read(self, data: bytes) -> Any:
        """The object that the handler gets. Raises `DataUnfit`."""
        try:
            return self._read(data)
        except RecursionError:
            raise DataUnfit("the data is nested too deeply") from None
        except ValueError as exc:
            raise DataUnfit(f"the data does not fit the schema of this handler: {_shown(exc)}") from None


def _plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        plain = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise SchemaUnusable(f"is not JSON: {exc}") from None
    if not isinstance(plain, dict):
        raise SchemaUnusable("must be a JSON object")
    return plain


def _model_schema(model: Any) -> Mapping[str, Any]:
    try:
        schema: Mapping[str, Any] = model.model_json_schema()
    except Exception as exc:
        raise SchemaUnusable(f"{model.__name__} has no JSON Schema: {type(exc).__name__}: {exc}") from exc
    return schema


def _type_schema(kind: type[Any]) -> Mapping[str, Any]:
    try:
        return msgspec.json.schema(kind)
    except (TypeError, NameError) as exc:
        raise SchemaUnusable(f"{kind.__name__} has no JSON Schema: {exc}") from exc


def _decoder(kind: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


def _shown(exc: ValueError) -> str:
    """Where and why, never the value: data may hold secrets."""
    errors = getattr(exc, "errors", None)
    if errors is None:
        return str(exc)
    found = errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'/'.join(map(str, each['loc'])) or 'data'}: {each['msg']}" for each in found[:5])
