"""The view of a task: its JSON, its secrets, its text."""

import json
from datetime import UTC, datetime

import pytest

from taskrunner.api.views.task import TaskView, as_text
from taskrunner.domain.codec import encode
from taskrunner.domain.masking import Masking
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace

MASKING = Masking()
NOW = datetime(2030, 1, 1, 12, 0, 0, 5000, tzinfo=UTC)
TASK = Task(
    id="t",
    url="http://a/",
    headers={"Authorization": "Basic s3cret", "Accept": "*/*"},
    body_base64="AAEC",
    timeout=30,
    max_attempts=5,
    retry=RetryPolicy(),
    created_at=NOW,
)
RECORD = Record(
    task=TASK,
    status=Status.SUCCEEDED,
    attempt=1,
    attempt_limit=5,
    due=None,
    attempts=(
        Attempt(
            number=1, started_at=NOW, finished_at=NOW, outcome=OutcomeKind.OK, status_code=200, consumer="c"
        ),
    ),
    result=Response(status=200, headers=(("A", "b"),), content_type="text/plain", size_bytes=2, sha256="00"),
    error=None,
    updated_at=NOW,
    finished_at=NOW,
    kept_until=NOW,
)


def test_times_are_rfc_3339_in_utc() -> None:
    assert json.loads(encode(TaskView.of(RECORD, MASKING)))["created_at"] == "2030-01-01T12:00:00.005000Z"


def test_an_accepted_task_has_the_fields_of_any_other() -> None:
    accepted = json.loads(encode(TaskView.of_accepted(TASK, MASKING, published=False)))
    assert accepted.keys() == json.loads(encode(TaskView.of(RECORD, MASKING))).keys()
    assert (accepted["status"], accepted["body_size"], accepted["attempts"]) == ("scheduled", 3, [])


def test_a_result_has_its_body_as_text_only() -> None:
    result = TaskView.of(RECORD, MASKING, prefix="/api/v1", body=b"ok").result
    assert result is not None
    assert (result.body, result.body_url) == ("ok", "/api/v1/tasks/t/body")
    binary = TaskView.of(RECORD, MASKING, body=b"\xff").result
    assert binary is not None
    assert binary.body is None
    assert TaskView.of(replace(RECORD, result=None), MASKING).result is None


def test_no_secret_is_in_the_json() -> None:
    """Neither of a header nor of the query."""
    shown = encode(TaskView.of(replace(RECORD, task=replace(TASK, url="http://a/?key=s3cret")), MASKING))
    assert b"s3cret" not in shown
    assert b"http://a/?key=***" in shown


@pytest.mark.parametrize(
    ("content", "cut", "text"),
    [
        (b"abc", False, "abc"),
        ("\u20ac".encode()[:2], True, ""),
        ("a\u20ac".encode()[:2], False, None),
        (b"\xffabcdef", True, None),
        (b"abc\xff", True, None),
    ],
)
def test_text_is_utf8_but_for_a_character_cut_short(content: bytes, cut: bool, text: str | None) -> None:
    assert as_text(content, cut=cut) == text
