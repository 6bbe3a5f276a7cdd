"""The fields of a task draft that name an executor and its data, checked."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, WithJsonSchema, field_validator

from taskrunner.domain.executors.executor import NAME_PATTERN
from taskrunner.domain.messages import shown
from taskrunner.domain.tasks.task_fields import check_size
from taskrunner.domain.validation import limits_of

_DATA_SCHEMA: dict[str, Any] = {
    "description": "Any JSON, which the executor's schema describes. null is the same as no data.",
    "anyOf": [
        {"type": "object"},
        {"type": "array", "items": {}},
        {"type": "string"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
    ],
    "default": None,
}
# Fields of the executor itself, and those that its tasks replace by their data.
REQUEST_FIELDS = ("url", "body", "body_base64")
_GIVEN, _NULL = {"not": {"type": "null"}}, {"type": "null"}
# What `check_one` demands, in JSON Schema.
REQUEST_OR_EXECUTOR: dict[str, Any] = {
    "if": {"required": ["executor"], "properties": {"executor": _GIVEN}},
    "then": {"properties": dict.fromkeys(REQUEST_FIELDS, _NULL)},
    "else": {"required": ["url"], "properties": {"url": _GIVEN, "data": _NULL}},
}


class ExecutorFields(BaseModel):
    """`data` holds the text of its JSON."""

    executor: Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN.pattern}$"})] | None = None
    data: Annotated[str | None, WithJsonSchema(_DATA_SCHEMA)] = None

    @field_validator("executor")
    @classmethod
    def _executor(cls, value: str | None) -> str | None:
        if value is not None and not NAME_PATTERN.fullmatch(value):
            raise ValueError(
                f"must be 1 to 64 small letters, digits and _, a letter first, got {shown(value)}"
            )
        return value

    @field_validator("data")
    @classmethod
    def _data(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_size(value.encode() if value else b"", limits_of(info))
        return None if value == "null" else value

    def check_one(self) -> None:
        """Raises `ValueError` unless it is either a request or a task of an executor."""
        if self.executor is None and self.data is not None:
            raise ValueError("data is for an executor; name it in executor, or give a body")
        given = [name for name in REQUEST_FIELDS if getattr(self, name)]
        if self.executor is not None and given:
            raise ValueError(f"{given[0]} is not for a task of an executor; leave it out, and give data")
