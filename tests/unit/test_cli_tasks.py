"""`taskrunner tasks list`: its rows, and the table that they stand in."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.cli.table import print_table
from taskrunner.cli.tasks import task_row
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
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
def test_a_row_says_why_a_task_waits(fields: dict[str, Any], reason: str) -> None:
    row = task_row(replace(RECORD, **fields), NOW + timedelta(minutes=5))
    assert row == ("one", "scheduled", "5m", "medium", f"GET http://a.test/?token=***{reason}")


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
@pytest.mark.parametrize("text", ["short", "x" * 79, "x" * 300, "two\nlines", "with  blanks " * 30, ""])
async def test_no_line_is_wider_than_the_terminal(
    text: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last column is cut, at `$COLUMNS` as everywhere; each row is one line, below the header."""
    monkeypatch.setenv("COLUMNS", str(columns))

    async def rows() -> AsyncIterator[Sequence[str]]:
        for name in ("a", "long-name"):
            yield name, text

    await print_table(("ID", "REQUEST"), rows())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["ID", "REQUEST"]
    assert [line.index(word) for line, word in zip(lines[1:], ("a", "long-name"), strict=True)] == [0, 0]
    assert max(map(len, lines)) <= columns
