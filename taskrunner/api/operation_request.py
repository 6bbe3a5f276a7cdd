"""The body of `POST /operations`, described with what its fields demand of each other."""

from typing import Any

from taskrunner.api.http.parameters import TASK_CONDITIONS
from taskrunner.domain.operations.bulk_operation import MOST_IDS, STATUSES, OperationAction, Resource
from taskrunner.domain.operations.bulk_operation_draft import BulkOperationDraft
from taskrunner.domain.tasks.submitter import STORED_ID

_NULL = {"type": "null"}
_GIVEN = {"not": _NULL}
# As the schema `false`, for which generators of clients have no word.
_NEVER: dict[str, Any] = {"not": {}}
# Conditions are described once, as parameters of lists.
_FILTER: dict[str, Any] = {
    "type": "object",
    "description": "Conditions as in the queries of lists; all must hold.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        each.name: {
            "description": each.description,
            **each.schema,
            **({"minItems": 1} if each.schema.get("type") == "array" else {}),
        }
        for each in TASK_CONDITIONS
    },
}
_IDS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_IDS,
    "items": {"type": "string", "pattern": f"^{STORED_ID.pattern}$"},
}


def _case(*required: str, **properties: Any) -> dict[str, Any]:
    return {"required": list(required), "properties": properties}


def _unless(action: OperationAction, otherwise: dict[str, Any]) -> dict[str, Any]:
    """`otherwise` holds for this action."""
    others = [each for each in OperationAction if each is not action]
    return {"anyOf": [_case("action", action={"enum": others}), otherwise]}


def _with_status(known: dict[str, Any]) -> dict[str, Any]:
    return _case(filter={"anyOf": [_NULL, {"properties": {"status": known}}]})


# What `BulkOperationDraft` checks across fields.
_DEMANDS: list[dict[str, Any]] = [
    {
        "anyOf": [
            _case("filter", filter=_GIVEN, ids=_NULL, all={"const": False}),
            _case("ids", filter=_NULL, ids=_GIVEN, all={"const": False}, limit=_NULL),
            _case("all", filter=_NULL, ids=_NULL, all={"const": True}),
        ]
    },
    _unless(OperationAction.CANCEL, _case(resource={"const": Resource.TASKS})),
    _unless(OperationAction.REQUEUE, {"anyOf": [_case(stop_at=_NULL), _case("rate", rate=_GIVEN)]}),
    {"anyOf": [_case(resource={"const": Resource.TASKS}), _with_status(_NEVER)]},
    *(_unless(action, _with_status({"enum": list(statuses)})) for action, statuses in STATUSES.items()),
]


class OperationRequest(BulkOperationDraft):
    """What to do, and to what: give one of `filter`, `ids` and `all`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, described in (("filter", _FILTER), ("ids", _IDS)):
            schema["properties"][name] = {"anyOf": [described, _NULL], "default": None}
        return {**schema, "allOf": _DEMANDS}
