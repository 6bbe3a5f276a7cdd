"""Settlements: what the end of an attempt leaves in the record."""

from datetime import UTC, datetime

import pytest

from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response, Timings
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://h/", timeout=30, max_attempts=5, retry=RetryPolicy(), created_at=NOW)
ENDED = Attempt(number=1, consumer="c", started_at=NOW)
RESPONSE = Response(status=503, headers=(("A", "b"),), body=b"x" * 9999, size_bytes=9999)
OUTCOME = Outcome(kind=OutcomeKind.HTTP_ERROR, error="503", response=RESPONSE, address="203.0.113.1:80")


def verdict(status: Status) -> Verdict:
    return Verdict(status=status, reason="in a test", due=NOW if status is Status.RETRYING else None)


@pytest.mark.parametrize("status", [Status.RETRYING, Status.FAILED])
def test_the_head_of_an_answer_stays_in_the_line(status: Status) -> None:
    """The next attempt's result takes the place of this one's, also that of a requeued task."""
    item = settlement(TASK, ENDED, OUTCOME, verdict(status), RetentionSettings(), now=NOW, webhooks=())
    assert item.attempt.response == replace(RESPONSE, body=b"")
    assert (item.attempt.address, item.result) == ("203.0.113.1:80", RESPONSE)


def test_a_success_is_the_last_there_is() -> None:
    """Its answer is the result, and stands nowhere else."""
    item = settlement(
        TASK,
        ENDED,
        replace(OUTCOME, kind=OutcomeKind.OK),
        verdict(Status.SUCCEEDED),
        RetentionSettings(),
        now=NOW,
        webhooks=(),
    )
    assert (item.attempt.response, item.result) == (None, RESPONSE)


def test_a_line_has_room_for_some_headers() -> None:
    """A task may have a hundred attempts, each with 64 KiB of headers."""
    flood = tuple((f"x-{number}", "y" * 500) for number in range(100))
    outcome = replace(OUTCOME, response=replace(RESPONSE, headers=flood))
    line = settlement(
        TASK, ENDED, outcome, verdict(Status.RETRYING), RetentionSettings(), now=NOW, webhooks=()
    ).attempt
    assert line.response is not None
    assert line.response.headers == flood[:4]


def test_an_attempt_without_an_answer_has_its_times() -> None:
    timings = Timings(dns=0.1, total=1.0)
    outcome = Outcome(kind=OutcomeKind.TIMEOUT, error="late", timings=timings)
    assert (
        settlement(
            TASK, ENDED, outcome, verdict(Status.RETRYING), RetentionSettings(), now=NOW, webhooks=()
        ).attempt.timings
        == timings
    )


def test_why_a_target_was_refused_is_not_recorded() -> None:
    """The record and the report would tell whoever submitted the task what is behind an address."""
    told, plain = (
        settlement(
            replace(
                TASK, callback=Callback(url="https://h/", timeout=1, max_attempts=1, retry=RetryPolicy())
            ),
            ENDED,
            Outcome(kind=OutcomeKind.BLOCKED, error="refused", refusal=refusal),
            verdict(Status.FAILED),
            RetentionSettings(),
            now=NOW,
            webhooks=(),
        )
        for refusal in (DialRefusal.NOT_PUBLIC, None)
    )
    assert "not_public" not in repr(told)
    assert told.attempt == plain.attempt
