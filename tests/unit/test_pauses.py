"""Pauses: what a scope holds back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.errors import FilterInvalid
from taskrunner.domain.queues.pauses import Pauses, read_scopes, with_disabled
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task import Task
from tests.tools.executors import executor


def task(**fields: Any) -> Task:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Task(id="t", timeout=1, max_attempts=1, retry=RetryPolicy(), created_at=at, **fields)


def test_a_queue_is_paused_by_name_and_all_by_all() -> None:
    low = Pauses(["queue:low", "colour:red"])
    assert [low.cover_queue(each) for each in ("low", "high", "red")] == [True, False, False]
    everything = Pauses(["queue:low", "all"])
    assert everything.cover_queue("reports")
    assert not everything.any_task


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("label:team", True),
        ("label:team=red", True),
        ("label:team=", False),
        ("label:team=blue", False),
        ("label:red", False),
        ("queue:high", False),
    ],
)
def test_a_label_is_paused_with_its_value_or_any(scope: str, held: bool) -> None:
    assert Pauses([scope]).cover_task(task(labels={"team": "red", "other": "x"})) is held
    assert not Pauses([scope]).cover_task(task())


def test_a_disabled_executor_holds_its_tasks_back() -> None:
    """It is one of the pauses, and no other task is held."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    known = [executor("a", enabled=False), executor("b")]
    since = with_disabled({"queue:low": at}, known)
    assert since == {"queue:low": at, "executor:a": known[0].updated_at}
    pauses = Pauses(since)
    assert pauses.any_task
    assert pauses.cover_task(task(executor="a"))
    assert pauses.covering(task(executor="a")) == {"executor:a"}
    assert not any(pauses.cover_task(task(executor=each)) for each in ("b", None))


def test_scopes_are_read() -> None:
    assert read_scopes(queues=["high"], labels=["a=b", "c"], everything=True) == [
        "all",
        "queue:high",
        "label:a=b",
        "label:c",
    ]
    with pytest.raises(FilterInvalid) as caught:
        read_scopes(queues=["no name"], labels=["=b"], everything=False)
    assert [error.field for error in caught.value.errors] == ["queue", "label"]
