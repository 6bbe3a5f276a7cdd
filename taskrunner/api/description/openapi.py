"""The OpenAPI document (3.1, https://spec.openapis.org/oas/v3.1.1), of routes, parameters and views."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.description.draft_schemas import DerivedSchema, Variant
from taskrunner.api.description.examples import EXAMPLES
from taskrunner.api.description.limit_schemas import Bounds, bounded
from taskrunner.api.http.parameters import PATH_PARAMETERS, Parameter
from taskrunner.api.http.problems import CONTENT_TYPE, ProblemView, title_of
from taskrunner.api.routes import Operation
from taskrunner.api.views.view import View
from taskrunner.domain.schedules.schedule_draft import PER_RUN_FIELDS, TEMPLATE
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.version import __version__

Schema = dict[str, Any]
Taken = type[BaseModel] | DerivedSchema | Mapping[str, object]
References = Mapping[type | DerivedSchema, Schema]
_JSON = "application/json"
_EVENTS = "text/event-stream"
_RESOURCES = [
    "tasks",
    "dead-letters",
    "operations",
    "schedules",
    "webhooks",
    "executors",
    "events",
    "hosts",
    "pauses",
    "queues",
    "workers",
    "keys",
    "sessions",
    "audit",
]
# Of every route that needs a key: no good one, and one that lacks a scope.
_KEY_PROBLEMS = (401, 403)
# Of every route that checks conditions on entity tags: what is no list of tags, and what does not hold.
_CONDITION_PROBLEMS = (400, 412)
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_REF = "#/components/schemas/{}"
_TEMPLATE = Variant(
    name=TEMPLATE,
    draft=TaskDraft,
    description="A task of `POST /tasks`, without the fields that the schedule sets for each run.",
    without=PER_RUN_FIELDS,
)
# https://spec.openapis.org/oas/v3.1.1#security-scheme-object
_SCHEMES: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, `tr_…`."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as the password, with any user name.",
    },
}


def document(
    endpoints: Mapping[tuple[str, str], Operation], prefixes: Iterable[str], bounds: Bounds = ()
) -> Schema:
    """The document of an application with these (method, path) pairs, under each of `prefixes`.

    `bounds` are those of this installation.
    """
    references, schemas = _schemas(endpoints.values(), bounds)
    paths: dict[str, Schema] = {}
    for (method, path), operation in endpoints.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, references)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "taskrunner",
            "version": __version__,
            "summary": "A durable queue for outbound HTTP.",
            "description": (
                "Objects in answers may get further members; clients ignore those that they do not know. "
                "Requests are strict: a member or query parameter that is not described is refused. What no "
                "schema can say is refused as well: that a queue, an executor or a secret is not there, that "
                "a time has passed, that a host may not be asked, that values do not fit each other."
            ),
        },
        "servers": [{"url": prefix or "/"} for prefix in prefixes],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SCHEMES},
    }


def _schemas(operations: Iterable[Operation], bounds: Bounds) -> tuple[References, Schema]:
    """How to refer to each view and draft, and the definitions of all."""
    views: dict[type[View], None] = {ProblemView: None}
    drafts: dict[type[BaseModel], None] = {}
    derived: dict[DerivedSchema, None] = {}
    for operation in operations:
        answers = (each for status in operation.answers for each in operation.answers_of(status))
        views |= {each: None for each in answers if isinstance(each, type)}
        views |= dict.fromkeys(operation.events)
        for taken in operation.takes.values():
            if isinstance(taken, type):
                drafts[taken] = None
            elif not isinstance(taken, Mapping):
                derived[taken] = drafts[taken.draft] = None
    shown, view_schemas = msgspec.json.schema_components(views, ref_template=_REF.format("{name}"))
    given, draft_schemas = models_json_schema(
        [(draft, "validation") for draft in drafts], ref_template=_REF.format("{model}")
    )
    references: dict[type | DerivedSchema, Schema] = dict(zip(views, shown, strict=True))
    references |= {draft: given[draft, "validation"] for draft in drafts}
    references |= {each: {"$ref": _REF.format(each.name)} for each in derived}
    # Both know the enums, by the same names.
    growing = {name: _growing(schema) for name, schema in view_schemas.items()}
    known = bounded({**_spelt(draft_schemas.get("$defs", {})), **growing}, bounds)
    if "TaskDraft" in known:
        known[TEMPLATE] = _TEMPLATE.schema(known)
    return references, known | {each.name: each.schema(known) for each in derived}


def _growing(schema: Any) -> Any:
    """The schema of an answer: later versions may add members, which clients ignore.

    A member with one value is a constant: for generators of clients, an enum has texts or numbers.
    """
    if isinstance(schema, list):
        return [_growing(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema in ({"enum": [True]}, {"enum": [False]}):
        return {"const": schema["enum"][0]}
    return {
        name: _growing(each)
        for name, each in schema.items()
        if (name, each) != ("additionalProperties", False)
    }


def _spelt(schema: Any) -> Any:
    """pydantic leaves bounds of a field behind a `BeforeValidator` in words of its own."""
    if isinstance(schema, list):
        return [_spelt(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # No field has one of these names.
    return {_BOUNDS.get(name, name): _spelt(each) for name, each in schema.items()}


def _operation(method: str, path: str, operation: Operation, references: References) -> Schema:
    words = re.findall(r"[a-z]+", path)
    described: Schema = {
        "tags": [_tag(path)],
        "operationId": "_".join([method.lower(), *(words or ["index"])]),
        "summary": operation.summary,
        "responses": {str(status): _answer(status, operation, references) for status in operation.answers},
    }
    problem = {CONTENT_TYPE: {"schema": references[ProblemView]}}
    needs = ROUTES[method, path]
    scopes = list(needs.scopes)
    # The scopes of one scheme are all needed, and one of the schemes is enough. An empty list means no key.
    described["security"] = [{scheme: scopes} for scheme in _SCHEMES] if not needs.is_open else []
    if method == "GET":
        described["responses"]["304"] = {"description": title_of(304)}
    conditions = _CONDITION_PROBLEMS if method == "GET" or operation.tagged else ()
    for status in sorted({*operation.problems, *(() if needs.is_open else _KEY_PROBLEMS), *conditions}):
        described["responses"][str(status)] = {"description": title_of(status), "content": problem}
    described["responses"]["default"] = {"description": "Any other error", "content": problem}
    parameters = [*(PATH_PARAMETERS[name] for name in re.findall(r"{(\w+)}", path)), *operation.parameters]
    if parameters:
        described["parameters"] = [_parameter(each) for each in parameters]
    if operation.takes:
        content = {kind: _content(taken, references) for kind, taken in operation.takes.items()}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _tag(path: str) -> str:
    first = path.split("/")[1]
    if first in {"pause", "resume"}:
        return "pauses"
    return first if first in _RESOURCES else "service"


def _content(taken: Taken, references: References) -> Schema:
    if isinstance(taken, Mapping):
        return {"schema": taken}
    reference = references[taken]
    name = reference["$ref"].rpartition("/")[2]
    return {"schema": reference, **({"example": EXAMPLES[name]} if name in EXAMPLES else {})}


def _answer(status: int, operation: Operation, references: References) -> Schema:
    answers = operation.answers_of(status)
    described: Schema = {"description": title_of(status)}
    views = [references[each] for each in answers if isinstance(each, type)]
    content: Schema = {_JSON: {"schema": views[0] if len(views) == 1 else {"anyOf": views}}} if views else {}
    text: Schema = {"type": "string"}
    content |= {
        each: {"schema": {"type": "object"} if each == _JSON else text}
        for each in answers
        if isinstance(each, str)
    }
    if content:
        described["content"] = content
    if operation.events and _EVENTS in content:
        # Before OpenAPI 3.2, which has `itemSchema`, tools take this for the schema of each event.
        content[_EVENTS] = {"schema": {"anyOf": [_event_schema(operation, references), text]}}
    return described


def _event_schema(operation: Operation, references: References) -> Schema:
    """As OpenAPI 3.2 describes it: https://spec.openapis.org/oas/v3.2.0.html#server-sent-event-streams"""
    data = {"anyOf": [references[each] for each in operation.events]}
    content = {"type": "string", "contentMediaType": _JSON, "contentSchema": data}
    text = {"type": "string"}
    return {"type": "object", "properties": {"event": text, "id": text, "data": content}}


def _parameter(parameter: Parameter[Any]) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        **({"required": True} if parameter.place == "path" else {}),
        # https://spec.openapis.org/oas/v3.1.1#style-values: one value, rather than the parameter repeated.
        **({"style": "form", "explode": False} if parameter.comma_separated else {}),
        "schema": parameter.schema,
    }
