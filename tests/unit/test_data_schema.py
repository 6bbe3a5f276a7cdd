"""Schemas of the data of executors: what they find, and what they may not hold."""

import json
from typing import Any

import pytest

from taskrunner.domain.executors.data_schema import DataSchema
from taskrunner.domain.executors.pattern_size import pattern_size
from taskrunner.domain.executors.schema_rules import MAX_CHECKS, MAX_PARTS, check_schema_rules
from taskrunner.domain.validation import MAX_FINDINGS

RESIZE = {
    "type": "object",
    "properties": {
        "width": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "a/b": {"maxLength": 2},
    },
    "required": ["width"],
    "additionalProperties": False,
}


def schema(document: Any) -> DataSchema:
    return DataSchema(json.dumps(document))


def found(document: Any, data: Any) -> list[tuple[str, str | None]]:
    return [(each.field, each.rule) for each in schema(document).findings(json.dumps(data))]


@pytest.mark.parametrize(
    ("data", "findings"),
    [
        ({"width": 1, "tags": ["a"]}, []),
        ({"width": 1.0}, []),
        ({"width": 0}, [("data/width", "/properties/width/minimum")]),
        ({}, [("data", "/required")]),
        (
            {"width": "1", "tags": ["a", "c"]},
            [("data/tags/1", "/properties/tags/items/enum"), ("data/width", "/properties/width/type")],
        ),
        ({"width": 1, "a/b": "abc"}, [("data/a~1b", "/properties/a~1b/maxLength")]),
        ({"width": 1, "x": 1}, [("data", "/additionalProperties")]),
        (None, [("data", "/type")]),
        ([], [("data", "/type")]),
    ],
)
def test_each_fault_has_its_place_and_its_rule(data: Any, findings: list[tuple[str, str | None]]) -> None:
    assert sorted(found(RESIZE, data)) == sorted(findings)


def test_no_finding_shows_a_value() -> None:
    """It may be secret, as headers and bodies are."""
    parts = {"a": {"const": 1}, "b": {"type": "integer"}, "c": {"pattern": "^x$"}, "d": {"not": {}}}
    data = dict.fromkeys(parts, "s3cret")
    findings = schema({"properties": parts, "propertyNames": {"maxLength": 1}}).findings(json.dumps(data))
    assert len(findings) == len(parts)
    assert not any("s3cret" in str(each) for each in findings)


def test_findings_are_few() -> None:
    findings = schema({"items": {"type": "integer"}}).findings(json.dumps(["x"] * 500))
    assert len(findings) == MAX_FINDINGS
    assert "500 findings" in findings[-1].message


def test_data_that_is_left_out_is_null() -> None:
    assert schema({"type": "null"}).findings(None) == []
    for document in (False, {"type": "object"}, {"required": ["a"], "type": "object"}, {"enum": [1]}):
        assert list(map(str, schema(document).findings(None))) == ["data: is required"]
    assert schema(True).findings("5") == []


@pytest.mark.parametrize(
    "data",
    [
        '{"a":1,"a":2}',
        '{"a":1,"b":2,"a" :3}',
        '{"a":1,"b":2,"a"\n:3}',
        '{"x":{"a":1,"\\u0061":2}}',
        "1e999",
        '"\\ud800"',
    ],
)
def test_data_that_readers_take_differently_is_refused(data: str) -> None:
    """Another member than the one that was checked could be the one that counts."""
    assert [each.field.partition(".")[0] for each in schema({}).findings(data)] == ["data"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "objekt"}, "is not a JSON Schema 2020-12: /type: "),
        ({"properties": {"a": {"minimum": "x"}}}, "is not a JSON Schema 2020-12: /properties/a/minimum: "),
        (5, "must be a JSON Schema"),
        ([], "must be a JSON Schema"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema: is 'http://json-schema.org/"),
        (
            {"$ref": "https://example.com/x.json"},
            "$ref: 'https://example.com/x.json' is not part of this schema",
        ),
        ({"$ref": "file:///etc/passwd"}, "$ref: 'file:///etc/passwd' is not part of this schema"),
        ({"items": {"$ref": "other.json#/a"}}, "$ref: 'other.json#/a' is not part of this schema"),
        ({"$ref": "#/$defs/nope"}, "$ref: '#/$defs/nope' is not part of this schema"),
        ({"$ref": "#/x", "x": {"$ref": "#/$defs/a"}, "$defs": {"a": {}}}, "$ref: '#/x' is not part of"),
        ({"$ref": "#/const", "const": {"$dynamicRef": "#a"}}, "$ref: '#/const' is not part of this schema"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "$ref: a part refers to itself"),
        ({"$ref": "#"}, "$ref: a part refers to itself"),
        ({"allOf": [{"$ref": "#"}]}, "$ref: a part refers to itself"),
        ({"$dynamicRef": "#a"}, "$dynamicRef: is not taken"),
        ({"items": {"$id": "https://example.com/"}}, "$id: is for the whole schema"),
        (
            {"pattern": "(?=a)b"},
            "is not a JSON Schema 2020-12: /pattern: is not a regular expression that",
        ),
        ({"pattern": "(a)\\1"}, "is not a JSON Schema 2020-12: /pattern: "),
        ({"patternProperties": {"(": {}}}, "is not a JSON Schema 2020-12: /patternProperties"),
        ({"pattern": "(a{1,200}){1,200}"}, "pattern: all patterns are 40000 characters long"),
        ({"description": "x" * 33_000}, "is 33019 bytes long, at most 32768 are allowed"),
    ],
)
def test_what_is_no_schema_that_we_take_is_told(document: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        schema(document)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ['{"type":"a","type":"b"}', "{", '{"minimum":1e999}', "[" * 40 + "]" * 40])
def test_a_text_that_is_no_sound_json_is_no_schema(text: str) -> None:
    with pytest.raises(ValueError):
        DataSchema(text)


REF = {"$ref": "#/$defs/n"}
BRANCHES = [{"properties": {"x": REF, "k": {"maxLength": size}}} for size in (2, 3)]
RECURSIVE = {
    "a tree": {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
    "lists and objects": {
        "anyOf": [
            {"type": "object", "additionalProperties": {"$ref": "#"}},
            {"type": "array", "items": {"$ref": "#"}},
            {"type": "string"},
        ]
    },
    "two kinds of nodes": {"$defs": {"n": {"type": ["object", "integer"], "anyOf": BRANCHES}}, **REF},
    "all of two": {"$defs": {"n": {"type": ["object", "integer"], "allOf": BRANCHES}}, **REF},
    "one of two, nothing else": {
        "$defs": {"n": {"type": ["object", "integer"], "oneOf": BRANCHES, "unevaluatedProperties": False}},
        **REF,
    },
}


@pytest.mark.parametrize("document", RECURSIVE.values(), ids=RECURSIVE)
@pytest.mark.parametrize("leaf", [5, "x"])
def test_a_recursive_schema_ends_soon(document: Any, leaf: object) -> None:
    """Some would take 2**30 checks if nothing was remembered."""
    data: Any = leaf
    for _ in range(30):
        data = {"x": data, "k": "abc"}
    assert len(schema(document).findings(json.dumps(data))) <= MAX_FINDINGS


def chain(length: int, step: Any) -> dict[str, Any]:
    """Definitions of which each refers to the next one, by `step`."""
    parts = {f"{number}": step({"$ref": f"#/$defs/{number + 1}"}) for number in range(length)}
    return {"$defs": {**parts, f"{length}": {"type": "object"}}, "$ref": "#/$defs/0"}


@pytest.mark.parametrize(
    "step",
    [
        lambda ref: {"allOf": [ref, ref]},
        lambda ref: {"anyOf": [{"properties": {"x": ref}}, {"properties": {"x": ref}}]},
        lambda ref: {"oneOf": [{"items": ref}, {"prefixItems": [ref]}]},
        lambda ref: {"if": ref, "then": ref},
    ],
)
def test_a_schema_of_too_many_checks_is_refused(step: Any) -> None:
    """Nothing remembers the answers of parts that are not recursive."""
    assert check_schema_rules(chain(4, step)).checks < MAX_CHECKS
    with pytest.raises(ValueError, match="needs more than 4000 checks of one value"):
        check_schema_rules(chain(30, step))


@pytest.mark.parametrize(
    "document",
    [
        chain(700, lambda ref: {"items": ref}),
        chain(1000, lambda ref: ref),
        {"allOf": [{"minLength": 1}] * 1500},
        {"properties": {f"p{number}": {} for number in range(MAX_PARTS)}},
        {"$defs": {f"p{number}": {} for number in range(MAX_PARTS)}},
    ],
)
def test_a_schema_of_too_many_parts_is_refused(document: Any) -> None:
    """To count the checks of thousands would keep the process busy for seconds."""
    with pytest.raises(ValueError, match="has more than 500 schemas in it"):
        schema(document)


@pytest.mark.parametrize("step", [lambda ref: {"items": ref}, lambda ref: ref, lambda ref: {"allOf": [ref]}])
def test_a_long_way_of_references_is_taken(step: Any) -> None:
    """Each step has two parts; the whole schema and the last step are parts, too."""
    assert schema(chain(MAX_PARTS // 2 - 1, step)).findings("{}") == []


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 1),
        ("abc", 3),
        ("^a|b$", 2),
        (r"\d{3}-\d{4}", 8),
        ("[a-z]{2,5}", 5),
        ("[]a]{4}[^]]", 5),
        ("(ab{3}){10}", 40),
        ("((a{9}){9}){9}", 729),
        ("a{2,}", 2),
        ("a{0}", 1),
        (r"\(\{", 2),
        ("{3}", 1),
        (")", 1),
    ],
)
def test_the_size_of_a_pattern_counts_its_counts(pattern: str, size: int) -> None:
    assert pattern_size(pattern) == size


def test_no_pattern_hangs() -> None:
    """The classic one takes 2**40 steps with back-tracking."""
    assert found({"pattern": "^(a+)+$"}, "a" * 40 + "!") == [("data", "/pattern")]


def test_data_too_large_for_its_schema_is_refused_unchecked() -> None:
    patterns = {"pattern": "[ab]*a[ab]{4000}c"}
    (finding,) = schema(patterns).findings(json.dumps("ab" * 50_000))
    assert "too many for a schema of this size" in finding.message
