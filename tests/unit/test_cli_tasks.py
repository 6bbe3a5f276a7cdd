"""The line of `taskrunner tasks list`."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.cli.tasks import task_line
from taskrunner.domain.masking import Masking
from taskrunner.domain.record import Record
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task
from taskrunner.domain.value import replace

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
TASK = Task(
    id="one",
    url="http://a.test/?token=s3cret",
    timeout=30.0,
    max_attempts=3,
    retry=RetryPolicy(),
    created_at=NOW,
)
RECORD = Record(
    task=TASK,
    status=Status.SCHEDULED,
    attempt=1,
    attempt_limit=3,
    due=None,
    attempts=(),
    result=None,
    error=None,
    updated_at=NOW,
    finished_at=None,
    kept_until=None,
)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"error": "no answer"}, " (no answer)"),
        ({"error": "no answer", "waits_for": "a.test: rate limit"}, " (waits for a.test: rate limit)"),
    ],
)
def test_a_line_says_why_a_task_waits(fields: dict[str, Any], reason: str) -> None:
    line = task_line(replace(RECORD, **fields), Masking(), as_json=False)
    assert line == f"one scheduled medium attempt 1 GET http://a.test/?token=***{reason}"
