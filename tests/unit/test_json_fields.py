"""Fields of requests in JSON: durations with units, and findings in the words of JSON."""

import json
import re
from typing import Any

import pytest

from taskrunner.domain.errors import HostLimitInvalid, TaskInvalid
from taskrunner.domain.hosts.host_limit import read_document
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits

LIMITS = TaskLimits()


def draft(**fields: Any) -> TaskDraft:
    return TaskDraft.from_json(json.dumps({"url": "http://a.test/", **fields}), LIMITS)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("10m", 600),
        ("30s", 30),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5m", 90),
        ("90", 90),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_each_duration_of_a_task_may_have_units(given: object, seconds: float) -> None:
    task = draft(timeout=given, delay=given, retry={"base": given, "cap": given, "delays": [given, 5]})
    assert task.retry is not None
    assert (task.timeout, task.delay) == (seconds, seconds)
    assert (task.retry.base, task.retry.cap, task.retry.delays) == (seconds, seconds, (seconds, 5))
    schedule = {"cron": "@daily", "jitter": given, "task": {"url": "http://a.test/", "timeout": given}}
    assert ScheduleDraft.from_fields(schedule, LIMITS).jitter == seconds


@pytest.mark.parametrize(
    "given",
    [
        "",
        "10x",
        "m",
        "10 m",
        "1s1m",
        "-5s",
        "nan",
        "inf",
        "1e999",
        "1_0",
        "\u0661",
        "***",
        True,
        [],
        {},
        "-5",
    ],
)
@pytest.mark.parametrize("field", ["timeout", "delay"])
def test_what_is_no_duration_has_one_finding(field: str, given: object) -> None:
    with pytest.raises(TaskInvalid) as caught:
        draft(**{field: given})
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize(
    ("field", "given", "told"),
    [
        ("url", None, "is required, unless executor is given"),
        ("method", True, "must be text, got true"),
        ("retry_on", False, "must be an array, got false"),
        ("rules", "x", "must be an array, got 'x'"),
        ("run_at", True, "got true"),
        ("headers", [], "must be an object"),
        ("timeout", True, "must be a number, got true"),
    ],
)
def test_findings_are_in_the_words_of_json(field: str, given: object, told: str) -> None:
    with pytest.raises(TaskInvalid) as caught:
        draft(**{field: given})
    [error] = caught.value.errors
    assert told in error.message
    assert not re.search(r"None|True|False|tuple|dict", error.message)


def test_a_limit_counts_seconds() -> None:
    with pytest.raises(TaskInvalid, match="timeout"):
        draft(timeout="2h")


def test_the_jitter_of_retries_is_no_duration() -> None:
    """It is a share of the delay."""
    with pytest.raises(TaskInvalid, match=r"retry\.jitter"):
        draft(retry={"jitter": "1s"})


OPTIONAL = [name for name in TaskDraft.model_fields if name != "url"]


@pytest.mark.parametrize("field", OPTIONAL)
def test_null_is_as_if_left_out(field: str) -> None:
    """In every field that may be left out, and the schema says so."""
    given = TaskDraft.from_fields({"url": "http://example.com/", field: None}, TaskLimits())
    assert getattr(given, field) == getattr(TaskDraft(url="http://example.com/"), field)
    described = TaskDraft.model_json_schema()["properties"][field]
    assert {"type": "null"} in described["anyOf"], described


@pytest.mark.parametrize(
    "field", [each for each in ScheduleDraft.model_fields if each not in {"cron", "task"}]
)
def test_null_is_as_if_left_out_of_a_schedule(field: str) -> None:
    fields = {"cron": "@hourly", "task": {"url": "http://example.com/"}}
    given = ScheduleDraft.from_fields({**fields, field: None}, TaskLimits())
    assert given == ScheduleDraft.from_fields(fields, TaskLimits())


def test_a_number_without_a_fraction_is_an_integer() -> None:
    """JSON Schema 6.1.1, in every field that is one; a fraction, a text and true are none."""
    fields = {
        "max_attempts": 5.0,
        "retry_on": [404.0],
        "rules": [{"when": {"status": 503.0}, "then": "retry"}],
    }
    draft = TaskDraft.from_fields({"url": "http://example.com/", **fields}, TaskLimits())
    assert (draft.max_attempts, draft.retry_on, draft.rules[0].when.status) == (5, (404,), (503,))
    assert isinstance(draft.max_attempts, int)
    assert read_document(b'{"concurrency": 5.0}').concurrency == 5
    for wrong in (5.5, "5", True):
        with pytest.raises(TaskInvalid):
            TaskDraft.from_fields({"url": "http://example.com/", "max_attempts": wrong}, TaskLimits())
        with pytest.raises(HostLimitInvalid):
            read_document(json.dumps({"concurrency": wrong}).encode())


@pytest.mark.parametrize("wrong", [{}, [{}], "x" * 1025, [[]]])
def test_a_field_of_several_types_has_one_finding(wrong: object) -> None:
    """Not one for each type that the value is none of."""
    rule = {"when": {"json": {"path": "$", "equals": wrong}}, "then": "fail"}
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_fields({"url": "http://example.com/", "rules": [rule]}, TaskLimits())
    assert [error.field for error in caught.value.errors] == ["rules.0.when.json.equals.0"]
