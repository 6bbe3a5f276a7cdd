"""Follow-ups: who is told of which end, and what."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.envelope import decode_task
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.domain.tasks.submitter import is_report, namespace_of
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook import Webhook, WebhookSource

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
    queue="high",
    timeout=30,
    max_attempts=5,
    retry=RetryPolicy(),
    labels={"team": "red"},
    fairness_key="customer",
    created_at=NOW,
    callback=CALLBACK,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-00",
)
OUTCOME = Outcome(
    kind=OutcomeKind.HTTP_ERROR,
    error="The target answered 404.",
    response=Response(status=404, headers=(("Set-Cookie", "s3cret"),), body=b"s3cret", size_bytes=6),
)


def end_of(task: Task, status: Status = Status.FAILED, outcome: Outcome | None = OUTCOME) -> End:
    return End(task=task, status=status, attempt=2, error="why", outcome=outcome, now=NOW)


def told(task: Task, status: Status = Status.FAILED, outcome: Outcome | None = OUTCOME) -> Task | None:
    found = follow_ups(end_of(task, status, outcome), ())
    return decode_task(found[0].encoded) if found else None


def test_a_callback_is_a_task_of_its_own() -> None:
    """In the task's queue and trace, by the callback's own settings, found by a label, due at once."""
    [new] = follow_ups(end_of(TASK), ())
    task = decode_task(new.encoded)
    assert (new.id, new.queue, new.max_attempts, new.due) == (task.id, "high", 3, NOW)
    assert (task.method, task.url, task.signed_by) == ("POST", "http://told.test/", "name")
    assert (task.tls, task.redirects) == ("profile", "keep")
    assert (task.timeout, task.max_attempts, task.retry) == (7, 3, CALLBACK.retry)
    assert (task.labels, task.traceparent) == ({"callback": "task"}, TASK.traceparent)
    assert task.fairness_key == "customer"
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


def test_what_no_request_has_is_null() -> None:
    """As in an answer of the API: the result of a handler has no URL and no version of HTTP."""
    outcome = Outcome(kind=OutcomeKind.OK, response=Response(body=b"{}", size_bytes=2, http_version=""))
    task = told(replace(TASK, url=None, executor="resize_image"), Status.SUCCEEDED, outcome)
    assert task is not None
    data = json.loads(task.body or "")["data"]
    assert (data["executor"], data["url"], data["method"]) == ("resize_image", None, None)
    assert (data["result"]["status_code"], data["result"]["url"]) == (None, None)
    assert data["result"]["http_version"] is None


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


def hook(name: str = "all", *, enabled: bool = True, **given: object) -> Webhook:
    """A webhook with these conditions."""
    callback = replace(CALLBACK, url=f"http://{name.rpartition('~')[2]}.test/")
    namespace = namespace_of(name)
    return Webhook(
        name=name,
        callback=callback,
        task_filter=TaskFilter(namespace=namespace, **given),  # type: ignore[arg-type]  # some of its fields
        enabled=enabled,
        created_by=namespace.removesuffix("~") or None,
        created_at=NOW,
        updated_at=NOW,
    )


def reports(task: Task, *webhooks: Webhook, status: Status = Status.FAILED) -> list[Task]:
    return [decode_task(new.encoded) for new in follow_ups(end_of(task, status), webhooks)]


def test_each_webhook_has_a_report_of_its_own() -> None:
    """Beside the callback, each with another id; found by the task and by the webhook."""
    found = reports(TASK, hook("a"), hook("b"))
    assert [task.url for task in found] == ["http://told.test/", "http://a.test/", "http://b.test/"]
    assert len({task.headers["webhook-id"] for task in found}) == 3
    assert [task.labels.get("webhook") for task in found] == [None, "a", "b"]
    assert {task.labels["callback"] for task in found} == {"task"}
    assert len({task.body for task in found}) == 1


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"labels": {"team": "red"}}, True),
        ({"labels": {"team": None}}, True),
        ({"labels": {"team": "blue"}}, False),
        ({"labels": {"other": None}}, False),
        ({"queue": "high"}, True),
        ({"queue": "low"}, False),
        ({"host": "target.test"}, True),
        ({"host": "target.test:80"}, True),
        ({"host": "other.test"}, False),
        ({"outcome": OutcomeKind.HTTP_ERROR}, True),
        ({"outcome": OutcomeKind.TIMEOUT}, False),
        ({"created_by": "web"}, False),
        ({"labels": {"team": "red"}, "queue": "low"}, False),
    ],
)
def test_a_webhook_is_told_of_what_it_matches(conditions: dict[str, Any], matches: bool) -> None:
    assert bool(reports(replace(TASK, callback=None), hook(**conditions))) is matches


@pytest.mark.parametrize("status", Status)
def test_a_webhook_is_told_of_its_events(status: Status) -> None:
    """No live status is an end."""
    asked = replace(hook(), callback=replace(CALLBACK, events=(Status.SUCCEEDED, Status.CANCELLED)))
    task = replace(TASK, callback=None)
    assert bool(reports(task, asked, status=status)) is (status in {Status.SUCCEEDED, Status.CANCELLED})


def test_no_report_is_reported() -> None:
    """Else a webhook for all tasks would never come to an end."""
    [first] = reports(replace(TASK, callback=None), hook())
    assert is_report(first.id)
    assert reports(first, hook()) == []


def test_a_webhook_of_an_isolated_key_sees_only_its_own() -> None:
    """Its report has the ids by which the key knows them, and is its own."""
    mine, theirs = (replace(TASK, id=f"{name}~t", callback=None) for name in ("mine", "theirs"))
    assert reports(theirs, hook("mine~all")) == []
    assert reports(replace(TASK, callback=None), hook("mine~all")) == []
    [report] = reports(mine, hook("mine~all"))
    assert report.id.startswith("mine~")
    assert (report.labels, report.created_by) == ({"callback": "t", "webhook": "all"}, "mine")
    assert json.loads(report.body or "")["data"]["id"] == "t"
    assert "~" not in str(report.headers) + str(report.body)


def test_a_webhook_of_who_sees_all_has_whole_ids() -> None:
    """Such as they are in that key's lists."""
    [report] = reports(replace(TASK, id="mine~t", callback=None), hook())
    assert "~" not in report.id
    assert report.labels["callback"] == json.loads(report.body or "")["data"]["id"] == "mine~t"


def test_webhooks_that_are_not_known_are_waited_for() -> None:
    """And one that is off is not in force."""
    source = WebhookSource()
    with pytest.raises(StoreUnavailable):
        source.in_force  # noqa: B018 - it is the question
    source.set([hook("a"), hook("b", enabled=False)])
    assert [each.name for each in source.in_force] == ["a"]
