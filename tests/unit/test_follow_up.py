"""Follow-ups: who is told of which end, and what."""

import json
from datetime import UTC, datetime

import pytest

from taskrunner.domain.callback import Callback
from taskrunner.domain.envelope import decode_task
from taskrunner.domain.follow_up import follow_up
from taskrunner.domain.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.status import LIVE, Status
from taskrunner.domain.task import Priority, Task
from taskrunner.domain.value import replace

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
CALLBACK = Callback(
    url="http://told.test/",
    secret="name",
    timeout=7,
    max_attempts=3,
    retry=RetryPolicy(delays=(1.0,)),
    tls="profile",
)
TASK = Task(
    id="task",
    url="http://target.test/",
    headers={"Authorization": "s3cret"},
    body="s3cret",
    priority=Priority.HIGH,
    timeout=30,
    max_attempts=5,
    retry=RetryPolicy(),
    labels={"team": "red"},
    created_at=NOW,
    callback=CALLBACK,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-00",
)
OUTCOME = Outcome(
    kind=OutcomeKind.HTTP_ERROR,
    error="The target answered 404.",
    response=Response(status=404, headers=(("Set-Cookie", "s3cret"),), body=b"s3cret", size_bytes=6),
)


def told(task: Task, status: Status = Status.FAILED, outcome: Outcome | None = OUTCOME) -> Task | None:
    new = follow_up(task, status, attempt=2, error="why", outcome=outcome, now=NOW)
    return None if new is None else decode_task(new.encoded)


def test_a_callback_is_a_task_of_its_own() -> None:
    """In the task's queue and trace, by the callback's own settings, found by a label, due at once."""
    new = follow_up(TASK, Status.FAILED, attempt=2, error="why", outcome=OUTCOME, now=NOW)
    assert new is not None
    task = decode_task(new.encoded)
    assert (new.id, new.queue, new.max_attempts, new.due) == (task.id, Priority.HIGH, 3, NOW)
    assert (task.method, task.url, task.signed_by) == ("POST", "http://told.test/", "name")
    assert (task.tls, task.redirects) == ("profile", "keep")
    assert (task.timeout, task.max_attempts, task.retry) == (7, 3, CALLBACK.retry)
    assert (task.labels, task.traceparent) == ({"callback": "task"}, TASK.traceparent)
    assert task.headers == {"Content-Type": "application/json", "webhook-id": task.id}
    assert "." not in task.id


def test_it_tells_what_became_of_the_task_and_no_secret() -> None:
    """Neither headers nor bodies, of request and answer."""
    task = told(TASK)
    assert task is not None
    message = json.loads(task.body or "")
    assert (message["type"], message["timestamp"]) == ("task.failed", "2031-05-06T07:08:09Z")
    data = message["data"]
    assert (data["id"], data["status"], data["outcome"]) == ("task", "failed", "http_error")
    assert (data["attempt"], data["error"], data["labels"]) == (2, "why", {"team": "red"})
    assert (data["result"]["status_code"], data["result"]["size"]) == (404, 6)
    assert "s3cret" not in (task.body or "")


def test_an_end_without_a_run_is_told_too() -> None:
    task = told(TASK, Status.CANCELLED, None)
    assert task is not None
    data = json.loads(task.body or "")["data"]
    assert (data["outcome"], data["result"]) == (None, None)


def test_a_callback_has_none() -> None:
    """However often it fails, nobody is told of that: no loop."""
    task = told(TASK)
    assert task is not None
    assert task.callback is None
    assert told(task) is None


@pytest.mark.parametrize("status", sorted(LIVE))
def test_what_goes_on_is_not_told(status: Status) -> None:
    assert told(TASK, status) is None


def test_only_what_was_asked_for_is_told() -> None:
    choosy = replace(TASK, callback=replace(CALLBACK, events=(Status.SUCCEEDED,)))
    assert told(choosy, Status.FAILED) is None
    assert told(choosy, Status.SUCCEEDED) is not None
    assert told(replace(TASK, callback=None)) is None


def test_each_end_has_a_callback_of_its_own() -> None:
    """A requeued task ends twice, and a receiver must not take the second for a repetition."""
    first, second = told(TASK), told(TASK)
    assert first is not None
    assert second is not None
    assert first.id != second.id
