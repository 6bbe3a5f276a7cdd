"""The draft: defaults where it says nothing, and every bad field told at once."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults, TaskSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = TaskSettings()
URL = "http://example.com/"


def task_of(fields: dict[str, Any], rules: TaskSettings = RULES) -> Task:
    return task_of_json(json.dumps(fields), rules)


def task_of_json(raw: str, rules: TaskSettings = RULES) -> Task:
    draft = TaskDraft.from_json(raw, rules.limits)
    return draft.to_task(rules, task_id="new", now=NOW)


def test_a_url_is_enough() -> None:
    """All else has a default."""
    assert task_of({"url": URL}) == Task(
        id="new", url=URL, timeout=30, max_attempts=5, retry=RetryPolicy(), created_at=NOW
    )


def test_everything_can_be_said() -> None:
    """Each field lands in the task."""
    task = task_of(
        {
            "id": "mine",
            "url": URL,
            "method": "post",
            "headers": {"X-A": "b"},
            "body": "text",
            "priority": "high",
            "run_at": "2026-01-01T01:00:00+01:00",
            "timeout": 5,
            "max_attempts": 2,
            "retry": {"strategy": "Linear", "base": 2, "cap": 10, "jitter": 0},
            "labels": {"team": "a"},
            "fairness_key": "customer 7",
        }
    )
    assert task == Task(
        id="mine",
        url=URL,
        method="POST",
        headers={"X-A": "b"},
        body="text",
        queue="high",
        run_at=NOW,
        timeout=5,
        max_attempts=2,
        retry=RetryPolicy(strategy=Strategy.LINEAR, base=2, cap=10, jitter=0),
        labels={"team": "a"},
        fairness_key="customer 7",
        created_at=NOW,
    )
    assert task.content == b"text"


def test_defaults_are_those_of_the_rules() -> None:
    """What is configured, not what is built in."""
    retry = RetryPolicy(base=7, delays=(1, 2))
    rules = TaskSettings(defaults=TaskDefaults(timeout=3, max_attempts=9, retry=retry, queue="low"))
    task = task_of({"url": URL}, rules)
    assert (task.timeout, task.max_attempts, task.retry, task.queue) == (3, 9, retry, "low")


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        ({}, RetryPolicy(base=7, delays=(1, 2))),
        ({"jitter": 1}, RetryPolicy(base=7, delays=(1, 2), jitter=1)),
        ({"base": 3}, RetryPolicy(base=3)),
        ({"strategy": "constant"}, RetryPolicy(base=7, strategy=Strategy.CONSTANT)),
        ({"base": 3, "delays": [4]}, RetryPolicy(base=3, delays=(4,))),
        ({"delays": []}, RetryPolicy(base=7)),
    ],
)
def test_a_policy_is_laid_over_the_default(retry: dict[str, Any], expected: RetryPolicy) -> None:
    """Its own strategy or base ends the default's list of delays."""
    rules = TaskSettings(defaults=TaskDefaults(retry=RetryPolicy(base=7, delays=(1, 2))))
    assert task_of({"url": URL, "retry": retry}, rules).retry == expected


def test_a_deadline_may_lie_anywhere_behind_the_start() -> None:
    """In any time zone; one that has passed is for the store to judge, which may know the task already."""
    task = task_of({"url": URL, "expires_at": "2026-03-04T05:06:07+02:00"})
    assert task.expires_at == datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)
    assert task_of({"url": URL, "expires_at": "1999-01-01T00:00:00Z"}).expires_at is not None
    with pytest.raises(TaskInvalid, match="expires_at: must be later than the task's run_at"):
        task_of({"url": URL, "run_at": "2026-02-01T00:00:00Z", "expires_at": "2026-02-01T00:00:00Z"})
    with pytest.raises(TaskInvalid, match="expires_at"):
        task_of({"url": URL, "expires_at": "2026-02-01T00:00:00"})


@pytest.mark.parametrize("years", [1, 5])
def test_a_delay_of_years_is_exact(years: int) -> None:
    seconds = years * 366 * 86_400
    run_at = NOW + timedelta(seconds=seconds)
    assert task_of({"url": URL, "delay": seconds}).run_at == run_at
    assert task_of({"url": URL, "run_at": run_at.isoformat()}).run_at == run_at


def test_a_delay_is_a_time_to_run_at() -> None:
    """Counted from the moment of acceptance; none at all means now."""
    assert task_of({"url": URL, "delay": 90}).run_at == NOW + timedelta(seconds=90)
    assert task_of({"url": URL, "delay": 0}).run_at is None


@pytest.mark.parametrize(
    "encoded",
    [
        '{"a":[1, "\u00e9"]}',
        "[]",
        "{ }",
        "[18446744073709551616]",
        "[12345678901234567890.123456789,1.10,1e400]",
        f"[{'9' * 5000}]",
        '{"a":1,"a":2}',
        r'["\ud83d", "\/\u0041"]',
    ],
)
def test_a_json_body_is_sent_as_it_came(encoded: str) -> None:
    """With the content type, unless the task names one in any case."""
    raw = f'{{"url": "{URL}", "body": {encoded} }}'
    task = task_of_json(raw)
    assert (task.body, task.headers) == (encoded, {"Content-Type": "application/json"})
    task = task_of({"url": URL, "body": [], "headers": {"content-type": "x/y"}})
    assert task.headers == {"content-type": "x/y"}
    raw = raw.replace("{", '\ufeff{"headers":{"Content-TYPE":"x/y"},', 1)
    assert task_of_json(raw).headers == {"Content-TYPE": "x/y"}


@pytest.mark.parametrize(
    ("retry", "default", "field", "message"),
    [
        ({"base": 400}, RetryPolicy(), "retry.base", "at most retry.cap, which is 300 by default, got 400"),
        ({"cap": 0.5}, RetryPolicy(), "retry.cap", "at least retry.base, which is 1 by default, got 0.5"),
        (
            {"base": 9},
            RetryPolicy(base=1, cap=8, delays=(1, 2)),
            "retry.base",
            "which is 8 by default, got 9",
        ),
    ],
)
def test_a_base_above_a_default_cap_is_refused(
    retry: dict[str, Any], default: RetryPolicy, field: str, message: str
) -> None:
    """Rather than cut without a word: the two are only known together once the defaults are in."""
    with pytest.raises(TaskInvalid) as caught:
        task_of({"url": URL, "retry": retry}, TaskSettings(defaults=TaskDefaults(retry=default)))
    (error,) = caught.value.errors
    assert error.field == field
    assert message in error.message


def test_base_and_cap_are_of_no_matter_beside_delays() -> None:
    """`delays` are in place of the strategy, so that nothing is cut."""
    policy = task_of({"url": URL, "retry": {"base": 400, "delays": [1]}}).retry
    assert policy == RetryPolicy(base=400, delays=(1,))


def test_bytes_are_a_body_in_base64() -> None:
    """Exactly as they were; an empty body is not no body."""
    content = bytes(range(256))
    assert task_of({"url": URL, "body_base64": base64.b64encode(content).decode()}).content == content
    assert task_of({"url": URL, "body": ""}).content == b""
    assert task_of({"url": URL}).content is None


def test_a_message_may_have_fields_that_we_do_not_know() -> None:
    """Publishers add their own; the rest is judged as ever."""
    raw = json.dumps({"url": URL, "trace": "x"}).encode()
    assert TaskDraft.from_message(raw, RULES.limits).url == URL
    with pytest.raises(TaskInvalid, match="url"):
        TaskDraft.from_message(b'{"trace":"x"}', RULES.limits)


def test_a_time_to_run_at_is_bounded_too() -> None:
    """By the longest delay, which the message names."""
    rules = TaskSettings(limits=TaskLimits(max_delay=60))
    assert task_of({"url": URL, "run_at": "2026-01-01T00:01:00Z"}, rules).run_at
    with pytest.raises(TaskInvalid, match="run_at: must be at most 60 seconds away"):
        task_of({"url": URL, "run_at": "2026-01-01T00:01:01Z"}, rules)


def test_what_lines_share_is_checked_whatever_ports_their_urls_may_name() -> None:
    limits = TaskLimits(ssrf_policy=SsrfPolicy(ports=(443,)))
    base = TaskDraft.base({"method": "PUT"}, limits)
    assert base.with_url("https://target.test/", limits).method == "PUT"
    with pytest.raises(TaskInvalid, match="names port 80"):
        base.with_url("http://target.test/", limits)
    with pytest.raises(TaskInvalid, match="method"):
        TaskDraft.base({"method": "NO METHOD"}, limits)


def test_what_answers_mean_can_be_said() -> None:
    """Statuses, rules and leave to send twice land in the task."""
    task = task_of(
        {
            "url": URL,
            "retry_on": [404],
            "fail_on": [503, 204],
            "retry_unsafe": True,
            "rules": [{"when": {"status": 200, "json": {"path": "$.ok", "equals": False}}, "then": "retry"}],
        }
    )

    assert (task.retry_on, task.fail_on, task.retry_unsafe) == ((404,), (503, 204), True)
    assert [rule.then for rule in task.rules] == ["retry"]


@pytest.mark.parametrize(("given", "expected"), [({}, True), ({"retry_unsafe": False}, False)])
def test_leave_to_send_twice_has_a_default(given: dict[str, Any], expected: bool) -> None:
    """The task's own word counts."""
    rules = TaskSettings(defaults=TaskDefaults(retry_unsafe=True))

    assert task_of({"url": URL, **given}, rules).retry_unsafe is expected
