"""Outcome rules: what they take for what, what they refuse, and that no answer breaks them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.retries.rules import (
    MAX_RULES,
    Rules,
    first_match,
    parse_path,
)
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace

RULES: TypeAdapter[Rules] = TypeAdapter(Rules)


def rules(*whens: dict[str, Any]) -> Rules:
    return RULES.validate_json(json.dumps([{"when": when, "then": "fail"} for when in whens]))


def answer(
    body: Any = None, *, status: int = 200, headers: tuple[tuple[str, str], ...] = (), **fields: Any
) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers, body=content, **fields)


def holds(when: dict[str, Any], response: Response) -> bool:
    return first_match(rules(when), response)[0] == 0


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$.a", ("a",)),
        ("$.a_1.ü[0][-1]", ("a_1", "ü", 0, -1)),
        ("$['a b']['it.s']", ("a b", "it.s")),
        ('$["x-y"][""]', ("x-y", "")),
    ],
)
def test_a_path_names_one_place(path: str, steps: tuple[str | int, ...]) -> None:
    """The singular queries of RFC 9535, without escapes in names."""
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a.b",
        "$.",
        "$a",
        "$..a",
        "$.*",
        "$[*]",
        "$[?@.a]",
        "$[0:2]",
        "$[0,1]",
        "$.a b",
        "$.1",
        "$[01]",
        "$[-0]",
        "$[1e3]",
        "$['a\\'b']",
        "$['a\"]",
        "$[9999999999]",
        "$.a[",
        "$" + ".a" * 17,
        "$.length()",
    ],
)
def test_what_could_name_more_than_one_place_is_refused(path: str) -> None:
    """Filters and searches would let an answer decide how long we look."""
    with pytest.raises(ValueError, match=r"must|has"):
        parse_path(path)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"status": 200}, True),
        ({"status": [404, 200]}, True),
        ({"status": 404}, False),
        ({"header": {"name": "X-State"}}, True),
        ({"header": {"name": "x-other"}}, False),
        ({"header": {"name": "x-state", "equals": "busy"}}, True),
        ({"header": {"name": "x-state", "equals": ["idle", "done"]}}, True),
        ({"header": {"name": "x-state", "equals": "Busy"}}, False),
        ({"json": {"path": "$.state"}}, True),
        ({"json": {"path": "$.state", "equals": "pending"}}, True),
        ({"json": {"path": "$.state", "equals": ["new", "pending"]}}, True),
        ({"json": {"path": "$.state", "equals": "done"}}, False),
        ({"json": {"path": "$.none"}}, True),
        ({"json": {"path": "$.none", "equals": None}}, True),
        ({"json": {"path": "$.missing", "equals": None}}, False),
        ({"json": {"path": "$.items[1].id", "equals": 7}}, True),
        ({"json": {"path": "$.items[-1].id", "equals": 7.0}}, True),
        ({"json": {"path": "$.items[2]"}}, False),
        ({"json": {"path": "$.items.id"}}, False),
        ({"json": {"path": "$.state.length"}}, False),
        ({"json": {"path": "$.one", "equals": True}}, False),
        ({"json": {"path": "$.yes", "equals": 1}}, False),
        ({"json": {"path": "$.yes", "equals": True}}, True),
        ({"status": 200, "json": {"path": "$.state", "equals": "done"}}, False),
        ({"status": 200, "header": {"name": "X-State"}, "json": {"path": "$.yes", "equals": True}}, True),
    ],
)
def test_a_condition_holds_or_not(when: dict[str, Any], expected: bool) -> None:
    """All conditions of a rule must hold; values are compared as JSON has them."""
    body = {"state": "pending", "none": None, "items": [{"id": 6}, {"id": 7}], "one": 1, "yes": True}
    response = answer(body, headers=(("x-state", "busy"), ("X-State", "done")))

    assert holds(when, response) is expected


def test_the_first_rule_that_holds_decides() -> None:
    """Order is how a rule says "else"."""
    given = rules({"status": 404}, {"json": {"path": "$.a"}}, {"status": 200})

    assert first_match(given, answer({"a": 1}))[0] == 1
    assert first_match(given, answer({}))[0] == 2
    assert first_match(given, answer({}, status=500))[0] is None
    assert first_match((), answer({}))[0] is None


def test_a_rule_that_was_not_asked_is_told() -> None:
    """Only if the result depends on it: rules before it decide without the document."""
    given = rules({"status": 200}, {"status": 404, "json": {"path": "$.a"}}, {"status": [404, 500]})
    cut = answer(b'{"a": 1')

    assert first_match(given, cut) == (0, None)
    assert first_match(given, replace(cut, status=500)) == (2, None)
    index, reason = first_match(given, replace(cut, status=404))
    assert (index, reason) == (
        2,
        "A rule of the task needs the body as JSON, but the body is not valid JSON.",
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NEARLY = st.lists(SCALARS | st.dictionaries(st.sampled_from(["a", "b"]), SCALARS), max_size=2)


@given(st.binary(max_size=60) | SCALARS | NEARLY, st.integers(200, 999))
def test_no_answer_makes_a_rule_fail(body: Any, status: int) -> None:
    """Whatever the target sends: a rule holds or it does not."""
    first_match(rules({"json": {"path": "$[0].a", "equals": [1, None]}}), answer(body, status=status))


BAD: list[tuple[Any, str, str]] = [
    ([{"then": "fail"}], "rules.0.when", "is required"),
    (
        [{"when": {"status": 1000}, "then": "fail"}],
        "rules.0.when.status.0",
        "must be less than or equal to 999",
    ),
    ([{"when": {"status": 100}, "then": "fail"}], "rules.0.when.status.0", "must be greater than or equal"),
    ([{"when": {"status": "5xx"}, "then": "fail"}], "rules.0.when.status.0", "must be a whole number"),
    ([{"when": {}, "then": "fail"}], "rules.0.when", "must have a condition: status, header or json"),
    ([{"when": {"status": []}, "then": "fail"}], "rules.0.when", "must have a condition"),
    ([{"when": {"status": 200}}], "rules.0.then", "is required"),
    ([{"when": {"status": 200}, "then": "ok"}], "rules.0.then", "'success'"),
    ([{"when": {"stauts": 200}, "then": "fail"}], "rules.0.when.stauts", "unknown field"),
    ([{"when": {"json": {"path": "a"}}, "then": "fail"}], "rules.0.when.json.path", "must start with $"),
    (
        [{"when": {"json": {"path": "$..a"}}, "then": "fail"}],
        "rules.0.when.json.path",
        "must have only .name",
    ),
    (
        [{"when": {"header": {"name": "a b"}}, "then": "fail"}],
        "rules.0.when.header.name",
        "'a b' is not a header",
    ),
    ([{"when": {"status": 200}, "then": "fail"}] * (MAX_RULES + 1), "rules", "at most 20 items"),
    (
        [{"when": {"header": {"name": "a", "equals": "x" * 1000}}, "then": "fail"}] * 9,
        "rules",
        "at most 8192 are allowed",
    ),
    (
        [{"when": {"json": {"path": "$", "equals": [{}]}}, "then": "fail"}],
        "rules.0.when.json.equals.0",
        "must be",
    ),
    (
        [{"when": {"json": {"path": "$", "equals": []}}, "then": "fail"}],
        "rules.0.when.json.equals",
        "at least 1",
    ),
    (
        [{"when": {"header": {"name": "a", "equals": []}}, "then": "fail"}],
        "rules.0.when.header.equals",
        "at least 1",
    ),
    (
        [{"when": {"json": {"path": "$", "equals": [1] * 51}}, "then": "fail"}],
        "rules.0.when.json.equals",
        "at most 50 items",
    ),
    ([{"when": {"status": None}, "then": "fail"}], "rules.0.when", "must have a condition"),
    (
        [{"when": {"header": {"name": "a", "equals": 5}}, "then": "fail"}],
        "rules.0.when.header.equals.0",
        "must be text",
    ),
    ([{"when": {"status": 200}, "then": "fail", "else": "retry"}], "rules.0.else", "unknown field"),
]


@pytest.mark.parametrize(("given_rules", "field", "message"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_rule_is_refused_at_submit(given_rules: Any, field: str, message: str) -> None:
    """With the place, and what would be right."""
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_fields({"url": "http://example.com/", "rules": given_rules}, TaskLimits())

    assert any(error.field.startswith(field) and message in error.message for error in caught.value.errors), (
        caught.value.errors
    )


def test_a_bad_value_is_told_once() -> None:
    """It is not missing in the count, too."""
    given = [{"when": {"header": {"name": "a", "equals": [5]}}, "then": "fail"}]
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_fields({"url": "http://example.com/", "rules": given}, TaskLimits())

    assert [error.field for error in caught.value.errors] == ["rules.0.when.header.equals.0"]


def test_what_a_rule_leaves_open_is_not_written() -> None:
    """Whether it was left out or given as null."""
    given = rules({"status": 200, "header": None, "json": None}, {"header": {"name": "X"}})

    assert json.loads(encode(given)) == [
        {"when": {"status": [200]}, "then": "fail"},
        {"when": {"header": {"name": "X"}}, "then": "fail"},
    ]


def test_rules_come_out_as_they_went_in() -> None:
    """Also where Python would take two values for one."""
    given = rules(
        {"json": {"path": "$.a", "equals": None}},
        {"json": {"path": "$.a", "equals": [True, 1, 1.5, "1"]}},
        {"json": {"path": "$.a"}},
        {"status": [200, 201], "header": {"name": "X", "equals": "y"}},
    )

    encoded = encode(given)

    assert Decoder(Rules).decode(encoded) == given
    assert b'[true,1,1.5,"1"]' in encoded


def test_a_rule_cannot_be_changed() -> None:
    """It belongs to a task, and that never changes."""
    (rule,) = rules({"status": 200})
    with pytest.raises(AttributeError):
        rule.then = rule.then  # type: ignore[misc]  # that is the point
