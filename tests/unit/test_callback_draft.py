"""`callback`: what a submitter may ask for."""

from typing import Any

import pytest

from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.tasks.callback import EVENTS, CallbackDefaults
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults, TaskSettings
from tests.unit.test_task_draft import NOW

LIMITS = TaskLimits(
    callback_secrets={"billing": ("told.test", "*.below.test", "port.test:8443"), "any": ("*",)}
)
DEFAULTS = CallbackDefaults(timeout=7.0, max_attempts=3)
RULES = TaskSettings(limits=LIMITS, defaults=TaskDefaults(callback=DEFAULTS))


def task_with(callback: Any) -> Task:
    draft = TaskDraft.from_fields({"url": "http://target.test/", "callback": callback}, LIMITS)
    return draft.to_task(RULES, task_id="task", now=NOW)


def refusal(callback: Any) -> str:
    with pytest.raises(TaskInvalid) as caught:
        task_with(callback)
    return str(caught.value)


def test_defaults_complete_it() -> None:
    callback = task_with({"url": "http://TOLD.test"}).callback
    assert callback is not None
    assert (callback.url, callback.secret, callback.events) == ("http://told.test/", None, EVENTS)
    assert (callback.timeout, callback.max_attempts, callback.retry) == (7.0, 3, DEFAULTS.retry)


def test_all_can_be_said() -> None:
    callback = task_with(
        {"url": "http://told.test/", "secret": "billing", "events": ["FAILED", "succeeded", "failed"]}
    ).callback
    assert callback is not None
    assert (callback.secret, callback.events) == ("billing", (Status.SUCCEEDED, Status.FAILED))


@pytest.mark.parametrize(
    ("callback", "field"),
    [
        ({}, "callback.url"),
        ("http://told.test/", "callback"),
        ({"url": "http://127.0.0.1/"}, "callback.url"),
        ({"url": "http://169.254.169.254/"}, "callback.url"),
        ({"url": "ftp://told.test/"}, "callback.url"),
        ({"url": "http://told.test/", "events": []}, "callback.events"),
        ({"url": "http://told.test/", "events": ["running"]}, "callback.events"),
        ({"url": "http://told.test/", "events": "failed"}, "callback.events"),
        ({"url": "http://told.test/", "secret": "billig"}, "callback.secret"),
        ({"url": "http://told.test/", "callback": {}}, "callback.callback"),
    ],
)
def test_what_cannot_be_is_refused(callback: Any, field: str) -> None:
    """Its URL is judged as any other that can be handed in."""
    assert field in refusal(callback)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["done"], "must be some of succeeded, failed, cancelled, got 'done'"),
        (["running"], "got 'running'"),
        ([5], "got 5"),
        (["canceled"], 'did you mean "cancelled"?'),
        ([], "left out, it is succeeded, failed, cancelled"),
    ],
)
def test_only_ends_are_events(events: list[Any], told: str) -> None:
    """The refusal names these alone, of all statuses, and says nothing twice."""
    text = refusal({"url": "http://told.test/", "events": events})
    assert told in text
    assert text.count("callback.events") == 1
    assert "scheduled" not in text


@pytest.mark.parametrize(
    ("url", "secret", "is_allowed"),
    [
        ("http://told.test/", "billing", True),
        ("https://TOLD.test./x?y", "billing", True),
        ("https://a.below.test/", "billing", True),
        ("https://a.b.below.test/", "billing", True),
        ("https://port.test:8443/", "billing", True),
        ("https://anything.else/", "any", True),
        ("https://93.184.216.34/", "any", True),
        ("https://below.test/", "billing", False),
        ("https://xbelow.test/", "billing", False),
        ("https://port.test/", "billing", False),
        ("https://a.told.test/", "billing", False),
        ("https://told.test.evil.test/", "billing", False),
        ("https://evil.test/told.test", "billing", False),
        ("https://evil.test/?x=told.test", "billing", False),
        ("https://93.184.216.34/", "billing", False),
    ],
)
def test_a_secret_signs_only_for_its_hosts(url: str, secret: str, is_allowed: bool) -> None:
    """Whoever may submit a task chooses the URL, and must not get what he likes signed."""
    given = {"url": url, "secret": secret}
    if is_allowed:
        callback = task_with(given).callback
        assert callback is not None
        assert callback.secret == secret
    else:
        assert "callback.secret: names a secret that is not for the host" in refusal(given)


def test_a_callback_without_a_secret_goes_anywhere() -> None:
    assert task_with({"url": "https://evil.test/"}).callback is not None


def test_a_secret_that_was_misspelt_is_proposed() -> None:
    assert 'did you mean "billing"' in refusal({"url": "http://told.test/", "secret": "billig"})


def test_a_key_that_was_misspelt_is_not_taken_for_one_of_the_task() -> None:
    text = refusal({"url": "http://told.test/", "retri": 3})
    assert "callback.retri: unknown field" in text
    assert "did you mean" not in text


@pytest.mark.parametrize("field", ["signed_by"])
def test_nobody_signs_what_he_likes(field: str) -> None:
    """Else whoever may submit a task could forge a callback."""
    with pytest.raises(TaskInvalid, match="unknown field"):
        TaskDraft.from_fields({"url": "http://target.test/", field: "billing"}, LIMITS)


def test_a_trace_is_one_by_the_standard() -> None:
    with pytest.raises(TaskInvalid, match="traceparent"):
        TaskDraft.from_fields({"url": "http://target.test/", "traceparent": "mine"}, LIMITS)
