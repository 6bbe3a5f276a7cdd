"""Fields of requests in JSON: durations with units, and findings in the words of JSON."""

import json
import re
from typing import Any

import pytest

from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.schedule_draft import ScheduleDraft
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.task_limits import TaskLimits

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
        ("url", None, "must be text, got null"),
        ("method", True, "must be text, got true"),
        ("retry_on", False, "must be an array, got false"),
        ("rules", "x", "must be an array, got 'x'"),
        ("run_at", True, "got true"),
        ("headers", None, "must be an object"),
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
