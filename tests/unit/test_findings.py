"""What a stranger can make us validate and answer is bounded."""

import json
from typing import Any

import pytest

from taskrunner.domain.errors import FieldsInvalid
from taskrunner.domain.hosts.host_limit import read_document
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.validation import MAX_FINDINGS

LIMITS = TaskLimits()
MANY = 60_000
URL = {"url": "http://example.com/"}
HOSTILE: dict[str, dict[str, Any]] = {
    "rules": {**URL, "rules": [{}] * MANY},
    "nested": {**URL, "rules": [[[{}] * 20_000]]},
    "statuses": {**URL, "retry_on": ["x"] * MANY},
    "headers": {**URL, "headers": dict.fromkeys(map(str, range(MANY)), 1)},
    "labels": {**URL, "labels": dict.fromkeys(map(str, range(MANY)), 1)},
    "unknown": {**URL, **dict.fromkeys(map(str, range(MANY)), 1)},
    "delays": {**URL, "retry": {"delays": ["x"] * MANY}},
    "retry": {**URL, "retry": dict.fromkeys(map(str, range(MANY)), 1)},
    "callback": {**URL, "callback": dict.fromkeys(map(str, range(MANY)), 1)},
}


def findings(read: Any, document: Any) -> FieldsInvalid:
    with pytest.raises(FieldsInvalid) as caught:
        read(json.dumps(document).encode())
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_a_task_of_many_bad_values_has_one_short_finding(name: str) -> None:
    for read in (TaskDraft.from_json, TaskDraft.from_message):
        error = findings(lambda raw, read=read: read(raw, LIMITS), HOSTILE[name])
        assert len(error.errors) == 1
        assert "8000" in str(error)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_of_many_bad_values_has_one_short_finding(name: str) -> None:
    schedule = {"cron": "@daily", "task": HOSTILE[name]}
    error = findings(lambda raw: ScheduleDraft.from_json(raw, LIMITS), schedule)
    assert len(error.errors) == 1


def test_a_limit_of_many_unknown_fields_has_one_finding() -> None:
    assert len(findings(read_document, dict.fromkeys(map(str, range(MANY)), 1)).errors) == 1


@pytest.mark.parametrize("count", [MAX_FINDINGS, MAX_FINDINGS + 1, 500])
def test_at_most_twenty_findings_are_listed(count: int) -> None:
    document = {**URL, "headers": dict.fromkeys(map(str, range(count)), 1)}
    error = findings(lambda raw: TaskDraft.from_json(raw, LIMITS), document)
    assert len(error.errors) == MAX_FINDINGS
    assert (f"{count} findings" in str(error)) is (count > MAX_FINDINGS)


def test_a_long_name_is_answered_in_short() -> None:
    error = findings(lambda raw: TaskDraft.from_json(raw, LIMITS), {**URL, "x" * 100_000: 1})
    assert len(str(error)) < 300


def test_the_largest_valid_task_still_passes() -> None:
    limits = TaskLimits(max_headers=1000, max_labels=1000, max_headers_bytes=1024 * 1024)
    document = {
        **URL,
        "headers": {f"X-{number}": "v" for number in range(1000)},
        "labels": {f"l{number}": "v" for number in range(1000)},
        "body": [[1] * 10_000, *[{"a": 1}] * 10_000],
    }
    assert TaskDraft.from_json(json.dumps(document), limits).body == json.dumps(document["body"])
