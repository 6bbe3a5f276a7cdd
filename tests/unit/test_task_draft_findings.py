"""What a draft refuses: every bad field is named at once, and no secret is shown."""

import base64
import json
import math
from typing import Any

import pytest

from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings

RULES = TaskSettings()
URL = "http://example.com/"


def findings_of(raw: dict[str, Any] | bytes, limits: TaskLimits = RULES.limits) -> dict[str, str]:
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_json(raw if isinstance(raw, bytes) else json.dumps(raw), limits)
    return {error.field: error.message for error in caught.value.errors}


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"url": None}, "url", "is required, unless executor is given"),
        ({"url": 5}, "url", "must be text, got 5"),
        ({"url": "ftp://h"}, "url", "must start with http:// or https://, got 'ftp://h'"),
        ({"method": "FETCH"}, "method", "must be one of DELETE, GET"),
        ({"headers": {"a b": "c"}}, "headers", "'a b' is not a header name"),
        ({"headers": {"a": 5}}, "headers.a", "must be text"),
        ({"headers": ["a"]}, "headers", "must be an object"),
        ({"body": 5}, "body", "must be text, an object or an array"),
        ({"body": "x" * (256 * 1024 + 1)}, "body", "is 262145 bytes long, at most 262144 are allowed"),
        ({"body": "\u00e9" * (128 * 1024 + 1)}, "body", "is 262146 bytes long"),
        ({"body_base64": "???"}, "body_base64", "is not base64"),
        ({"body_base64": base64.b64encode(b"x" * 262145).decode()}, "body_base64", "is 262145 bytes long"),
        ({"body": "a", "body_base64": "YQ=="}, "", "body and body_base64 are both given; give one of them"),
        ({"priority": "urgent"}, "priority", "must be 'high', 'medium' or 'low', got 'urgent'"),
        ({"priority": "hihg"}, "priority", 'did you mean "high"?'),
        (
            {"queue": "hihg"},
            "queue",
            "must be a declared queue (high, medium, low), got 'hihg', did you mean",
        ),
        ({"queue": "a b"}, "queue", "must be a declared queue"),
        ({"queue": "low", "priority": "low"}, "", "queue and priority are both given; give one of them"),
        ({"delay": -1}, "delay", "must be greater than or equal to 0"),
        ({"delay": "soon"}, "delay", "must be seconds, or a duration such as 30s, 10m or 1h30m, got 'soon'"),
        ({"delay": 1e12}, "delay", "must be at most 158112000 seconds"),
        ({"delay": 1, "run_at": "2026-01-01T00:00:00Z"}, "", "delay and run_at are both given"),
        ({"run_at": "2026-01-01T00:00:00"}, "run_at", "RFC 3339"),
        ({"run_at": "tomorrow"}, "run_at", "RFC 3339"),
        ({"run_at": "0001-01-01T00:00:00+14:00"}, "run_at", "must lie between the years 1970 and 9998"),
        ({"run_at": "9999-12-31T23:59:59-14:00"}, "run_at", "must lie between the years 1970 and 9998"),
        ({"timeout": 0}, "timeout", "must be greater than 0"),
        ({"timeout": 901}, "timeout", "must be at most 900 seconds, got 901"),
        ({"timeout": True}, "timeout", "must be a number"),
        ({"max_attempts": 0}, "max_attempts", "must be greater than or equal to 1"),
        ({"max_attempts": 101}, "max_attempts", "must be at most 100, got 101"),
        ({"max_attempts": 1.5}, "max_attempts", "must be a whole number"),
        ({"max_attempts": "3"}, "max_attempts", "must be a whole number"),
        (
            {"retry": {"strategy": "random"}},
            "retry.strategy",
            "must be 'constant', 'linear' or 'exponential'",
        ),
        ({"retry": {"base": -1}}, "retry.base", "must be greater than or equal to 0"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers", "'x-a' is given more than once"),
        ({"headers": {"X-A": ["1", "2"]}}, "headers.X-A", "must be text"),
        ({"headers": [["X-A", "1"]]}, "headers", "must be an object"),
        ({"retry": {"base": 9, "cap": 8}}, "retry", "base (9) must be at most cap (8)"),
        ({"retry": {"jitter": 1.1}}, "retry.jitter", "must be less than or equal to 1"),
        ({"retry": {"delays": [-1]}}, "retry.delays.0", "must be greater than or equal to 0"),
        ({"retry": {"delays": [1] * 101}}, "retry.delays", "at most 100"),
        ({"retry": {"bas": 1}}, "retry.bas", "unknown field"),
        ({"retry": 3}, "retry", "must be an object"),
        ({"labels": {"a": "x" * 300}}, "labels", "1 to 256 bytes"),
        ({"fairness_key": ""}, "fairness_key", "1 to 255 visible ASCII"),
        ({"fairness_key": "k" * 256}, "fairness_key", "1 to 255 visible ASCII"),
        ({"fairness_key": "\u00fc"}, "fairness_key", "1 to 255 visible ASCII"),
        ({"fairness_key": 7}, "fairness_key", ""),
        ({"id": "a/b"}, "id", "must be 1 to 128 letters"),
        ({"urll": "x"}, "urll", 'unknown field, did you mean "url"?'),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], field: str, message: str) -> None:
    """With its path, what was expected and what came."""
    findings = findings_of({"url": URL} | fields)
    assert message in findings[field]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    """JSON does not have them, but some writers do."""
    shapes = {"timeout": "%s", "delay": "%s", "retry": '{"delays":[%s]}', "body": '{"n":[%s]}'}
    for field, shape in shapes.items():
        assert findings_of(f'{{"url":"{URL}","{field}":{shape % number}}}'.encode())


def test_all_findings_come_at_once() -> None:
    """One round is enough to put everything right."""
    fields = {"url": "x", "method": "y", "timeout": -1, "retry": {"jitter": 2}, "nope": 1}
    assert set(findings_of(fields)) == {"url", "method", "timeout", "retry.jitter", "nope"}
    assert findings_of({}) == {"url": "is required, unless executor is given"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"http://h/"',
        b"5",
        b"null",
        b'{"url":',
        b"\xff",
        b"[" * 5000,
        b'{"url":"\\ud800"}',
    ],
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    """Never with another error than ours."""
    assert findings_of(raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Authorization": 12345678}},
        {"headers": {"Authorization": "12345678\n"}},
        {"headers": "Authorization: 12345678"},
        {"body": 12345678},
        {"body_base64": "12345678?"},
        {"body_base64": 12345678},
    ],
)
def test_no_finding_shows_a_header_or_a_body(fields: dict[str, Any]) -> None:
    """They may be secret, and findings are logged."""
    findings = findings_of({"url": URL} | fields)
    assert findings
    assert "12345678" not in str(findings)
    with pytest.raises(TaskInvalid) as caught:
        TaskDraft.from_fields({"url": URL} | fields, RULES.limits)
    assert "12345678" not in str(caught.value)


def test_no_finding_shows_a_whole_document() -> None:
    """Whatever was sent in place of an object."""
    assert "hunter2" not in str(findings_of(b'"hunter2"'))


def test_limits_can_be_moved() -> None:
    """Those that are configured count."""
    limits = TaskLimits(
        max_url_bytes=10, max_timeout=1, max_attempts=1, max_delay=1, max_body_bytes=1, max_labels=0
    )
    fields = {"url": URL, "timeout": 2, "max_attempts": 2, "delay": 2, "body": "xx", "labels": {"a": "b"}}
    assert set(findings_of(fields, limits)) == set(fields)


@pytest.mark.parametrize("fields", [{"delay": math.nan}, {"timeout": math.inf}, {"labels": {"a": "\udcff"}}])
def test_python_values_that_json_cannot_hold_are_refused(fields: dict[str, Any]) -> None:
    """Not read as null: `--delay nan` would be no delay at all."""
    with pytest.raises(TaskInvalid):
        TaskDraft.from_fields({"url": URL} | fields, RULES.limits)


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"retry_on": [99]}, "retry_on.0", "must be greater than or equal to 200"),
        ({"fail_on": [1000]}, "fail_on.0", "must be less than or equal to 999"),
        ({"fail_on": ["503"]}, "fail_on.0", "must be a whole number"),
        ({"retry_on": 503}, "retry_on", "must be an array"),
        ({"retry_on": list(range(200, 251))}, "retry_on", "at most 50 items"),
        ({"retry_on": [404], "fail_on": [404]}, "", "retry_on and fail_on both have 404"),
        ({"retry_unsafe": "yes"}, "retry_unsafe", "must be true or false"),
    ],
)
def test_bad_statuses_are_refused(fields: dict[str, Any], where: str, message: str) -> None:
    """With the place of each."""
    assert message in findings_of({"url": URL, **fields})[where]
