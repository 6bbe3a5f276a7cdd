"""The OpenAPI document (3.1, https://spec.openapis.org/oas/v3.1.1), made from the routes and the shapes."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from taskrunner.api import schemas
from taskrunner.api.operations import Operation, Parameter
from taskrunner.api.problems import CONTENT_TYPE
from taskrunner.domain.task_fields import ID_PATTERN
from taskrunner.version import __version__

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]
_REF = "#/components/schemas/{model}"


def document(endpoints: Mapping[tuple[str, str], Operation], prefixes: Iterable[str]) -> Schema:
    """The document of an application with these (method, path) pairs, under each of `prefixes`."""
    models = sorted(_models(endpoints.values()), key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(models, ref_template=_REF)
    # By class: no shape is both taken and given.
    names = {model: schema for (model, _), schema in references.items()}
    paths: dict[str, Schema] = {}
    for (method, path), operation in endpoints.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, names)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "taskrunner",
            "version": __version__,
            "summary": "A durable queue for outbound HTTP.",
        },
        "servers": [{"url": prefix or "/"} for prefix in prefixes],
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _models(operations: Iterable[Operation]) -> set[tuple[type[BaseModel], Mode]]:
    models: set[tuple[type[BaseModel], Mode]] = {(schemas.Problem, "serialization")}
    for operation in operations:
        models |= {
            (shape, "serialization") for shape in operation.answers.values() if isinstance(shape, type)
        }
        models |= {(taken, "validation") for taken in operation.takes.values() if isinstance(taken, type)}
    return models


def _operation(method: str, path: str, operation: Operation, names: Mapping[Any, Any]) -> Schema:
    words = re.findall(r"[a-z]+", path)
    described: Schema = {
        "operationId": "_".join([method.lower(), *(words or ["index"])]),
        "summary": operation.summary,
        "responses": {
            str(status): _answer(status, shape, names) for status, shape in operation.answers.items()
        },
    }
    for status in operation.problems:
        described["responses"][str(status)] = _answer(status, schemas.Problem, names, CONTENT_TYPE)
    described["responses"]["default"] = {
        "description": "Any other error",
        "content": {CONTENT_TYPE: {"schema": names[schemas.Problem]}},
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    parameters += [_parameter(parameter) for parameter in operation.parameters]
    if parameters:
        described["parameters"] = parameters
    if operation.takes:
        content = {
            kind: {"schema": names[taken] if isinstance(taken, type) else taken}
            for kind, taken in operation.takes.items()
        }
        described["requestBody"] = {"required": True, "content": content}
    return described


def _answer(
    status: int,
    shape: type[BaseModel] | str | None,
    names: Mapping[Any, Any],
    media_type: str = "application/json",
) -> Schema:
    if shape is None:
        return {"description": HTTPStatus(status).phrase}
    if isinstance(shape, str):
        content: Schema = {shape: {"schema": {"type": "string"}}}
    else:
        content = {media_type: {"schema": names[shape]}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _path_parameter(name: str) -> Schema:
    schema = {"type": "string", "pattern": f"^{ID_PATTERN.pattern}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}
