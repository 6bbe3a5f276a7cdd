"""Durations in JSON: seconds, or a text with units."""

import json
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


def test_a_limit_counts_seconds() -> None:
    with pytest.raises(TaskInvalid, match="timeout"):
        draft(timeout="2h")


def test_the_jitter_of_retries_is_no_duration() -> None:
    """It is a share of the delay."""
    with pytest.raises(TaskInvalid, match=r"retry\.jitter"):
        draft(retry={"jitter": "1s"})
