"""Annotations that make fields of JSON follow JSON Schema where pydantic's strict mode does not."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticUseDefault

from taskrunner.domain.constraints import MakeSchema, Schema, whole
from taskrunner.domain.queues.queue import QUEUE_NAME
from taskrunner.domain.targets.url import URL_PATTERN


class OrNull:
    """null means the same as leaving the field out: its default."""

    def __get_pydantic_core_schema__(self, source: Any, make: MakeSchema) -> Schema:
        function = {"type": "no-info", "function": _default_for_null}
        # After, not before: whatever a function was given, pydantic no longer takes for JSON.
        nullable = {"type": "nullable", "schema": make(source)}
        return {"type": "function-after", "function": function, "schema": nullable}


def _default_for_null(given: Any) -> Any:
    if given is None:
        raise PydanticUseDefault
    return given


UrlText = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": URL_PATTERN, "examples": ["https://example.com/"]}),
]
QueueName = Annotated[str, Field(json_schema_extra={"pattern": f"^{QUEUE_NAME.pattern}$"})]
WholeNumber = Annotated[int, BeforeValidator(whole)]
