"""What the JSON Schema of a task says of fields whose rules no type has."""

from typing import Any

from taskrunner.domain.messages import any_case
from taskrunner.domain.tasks import task_fields

ID_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": f"^{task_fields.ID_PATTERN.pattern}$",
    "not": {
        "anyOf": [
            {"enum": sorted(task_fields.RESERVED_IDS)},
            {"pattern": f"^{task_fields.REPORT_PREFIX}"},
        ]
    },
}
_GIVEN, _NULL = {"not": {"type": "null"}}, {"type": "null"}
# Fields of which a task has one.
EXCLUSIVE_FIELDS = (("delay", "run_at"), ("queue", "priority"), ("body", "body_base64"))
ONE_OF_EACH: list[dict[str, Any]] = [
    {"if": {"required": [one], "properties": {one: _GIVEN}}, "then": {"properties": {other: _NULL}}}
    for one, other in EXCLUSIVE_FIELDS
]
# In any case.
METHOD_SCHEMA: dict[str, Any] = {"pattern": f"^(?:{any_case(sorted(task_fields.METHODS))})$"}
HEADERS_SCHEMA: dict[str, Any] = {
    "propertyNames": {"pattern": f"^{task_fields.TOKEN.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": f"^{task_fields.FIELD_VALUE.pattern}$"},
}
# RFC 4648 section 4.
BASE64_SCHEMA: dict[str, Any] = {
    "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    "contentEncoding": "base64",
}
BODY_SCHEMA: dict[str, Any] = {
    "description": "Text is sent as UTF-8, without a Content-Type of ours. An object or array is sent as it"
    " is spelt, with Content-Type: application/json. A Content-Type in headers is sent in its place.",
    "anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array", "items": {}}, {"type": "null"}],
    "default": None,
}
