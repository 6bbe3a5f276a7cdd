"""The OpenAPI document by the rules of OpenAPI 3.1 and of JSON Schema 2020-12, with examples and defaults."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, Registry, meta
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.flow.api.harness import Api

Schema = dict[str, Any]
NAME = "urn:openapi"
LIMITS = TaskLimits()
TASKS: tuple[tuple[Schema, bool], ...] = (
    ({"delay": 1}, True),
    ({"delay": 1, "run_at": None}, True),
    ({"delay": 1, "run_at": "2030-01-01T00:00:00Z"}, False),
    ({"queue": "low", "priority": None}, True),
    ({"queue": "low", "priority": "low"}, False),
    ({"body": "a", "body_base64": "YQ=="}, False),
    ({"max_attempts": LIMITS.max_attempts, "timeout": LIMITS.max_timeout}, True),
    ({"max_attempts": LIMITS.max_attempts + 1}, False),
    ({"timeout": LIMITS.max_timeout + 1}, False),
    ({"delay": LIMITS.max_delay + 1}, False),
    ({"labels": {str(each): "" for each in range(LIMITS.max_labels + 1)}}, False),
)
PATCHES: tuple[tuple[str, Schema, bool], ...] = (
    ("ExecutorDraft", {"kind": None}, False),
    ("ExecutorDraft", {"description": None}, True),
    ("ScheduleDraft", {"cron": None}, False),
    ("ScheduleDraft", {"task": {"dedup": {"key": None}}}, False),
    ("WebhookDraft", {"url": None}, False),
    ("WebhookDraft", {"secret": None}, True),
)


@pytest.fixture
async def document(api: Api) -> Schema:
    """The document of an API with the default limits."""
    found: Schema = (await api.get("/openapi.json")).json
    return found


def schemas(within: Any, place: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema, with its place."""
    if isinstance(within, dict):
        for name, each in within.items():
            here = f"{place}/{name}"
            is_field = "/properties" in place or "/example" in place
            if place == "/components/schemas" or (name == "schema" and not is_field):
                yield here, each
            yield from schemas(each, here)
    elif isinstance(within, list):
        for at, each in enumerate(within):
            yield from schemas(each, f"{place}/{at}")


def samples(schema: Any, place: str) -> Iterator[tuple[str, Schema, Any]]:
    """Every example and default in a schema, with the schema that it is of."""
    if not isinstance(schema, dict):
        return
    for each in schema.get("examples", ()):
        yield f"{place}/examples", schema, each
    if "default" in schema:
        yield f"{place}/default", schema, schema["default"]
    parts: list[tuple[str, Any]] = [*schema.get("properties", {}).items()]
    parts += [("items", schema.get("items")), ("additional", schema.get("additionalProperties"))]
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts += [(f"{word}/{at}", each) for at, each in enumerate(schema.get(word, ()))]
    for name, each in parts:
        yield from samples(each, f"{place}/{name}")


class Rules:
    """Judges values by the schemas of a document, whose definitions are read once."""

    def __init__(self, document: Schema) -> None:
        self._registry = Registry([(NAME, _absolute(document))])

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(_absolute(schema), registry=self._registry)

    def faults(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        return [error.message for error in self.validator(schema).iter_errors(value)]


def _absolute(part: Any) -> Any:
    """With references that lead to the document from everywhere."""
    return json.loads(json.dumps(part).replace('"#/components/', f'"{NAME}#/components/'))


async def test_the_document_is_openapi(document: Schema) -> None:
    """By the meta-schema of the OpenAPI Initiative."""
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []


async def test_every_schema_is_json_schema(document: Schema) -> None:
    found, rules = list(schemas(document)), Rules(document)
    assert len(found) > len(document["components"]["schemas"]) > 100
    for place, schema in found:
        assert meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}), place
        # Its references lead somewhere, and its patterns are regular expressions.
        rules.validator(schema)


async def test_every_example_and_default_is_as_its_schema_says(document: Schema) -> None:
    given = [each for place, schema in schemas(document) for each in samples(schema, place)]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            contents = operation.get("requestBody", {}).get("content", {})
            given += [
                (f"{method} {path} {kind}", content["schema"], content["example"])
                for kind, content in contents.items()
                if "example" in content
            ]
    assert len(given) > 100
    rules = Rules(document)
    wrong = {place: found for place, schema, value in given if (found := rules.faults(schema, value))}
    assert wrong == {}


async def test_the_schema_of_a_task_says_what_is_refused(api: Api, document: Schema) -> None:
    """The schema and the door are of one mind."""
    rules, schema = Rules(document), document["components"]["schemas"]["TaskDraft"]
    for value, is_good in TASKS:
        task = {"url": "http://example.com/", **value}
        fits = rules.faults(schema, task) == []
        assert (fits, (await api.ask("POST", "/tasks", json=task)).status == 202) == (is_good, is_good), value


async def test_a_patch_removes_nothing_that_is_needed(document: Schema) -> None:
    rules, known = Rules(document), document["components"]["schemas"]
    for name, patch, is_good in PATCHES:
        fits = rules.faults(known[f"{name}Patch"], patch) == []
        assert fits == is_good, (name, patch)
