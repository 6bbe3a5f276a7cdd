"""A `json` rule and a document that cannot be read: what the attempt tells, and what the task decides."""

from typing import Any

import pytest

from taskrunner.domain.retries.response_json import MAX_JSON_BYTES
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.status import Status
from tests.system.fetch.conftest import Fetcher
from tests.system.fetch.test_verdicts import attempt
from tests.tools.behaviours import answers
from tests.tools.hostile import Hostile

RUNNING = {"when": {"json": {"path": "$.state", "equals": "running"}}, "then": "retry"}
CUT = b'{"state": "runn'
JSON = "Content-Type: application/json"
SAYS = "A rule of the task needs the body as JSON, but the body is not valid JSON."


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("fields", "status", "kind", "expected"),
    [
        ({}, 200, OutcomeKind.DECODE_ERROR, (Status.RETRYING, "retry")),
        ({}, 404, OutcomeKind.DECODE_ERROR, (Status.RETRYING, "retry")),
        ({"rules_unreadable": "retry"}, 200, OutcomeKind.DECODE_ERROR, (Status.RETRYING, "retry")),
        ({"rules_unreadable": "fail"}, 200, OutcomeKind.DECODE_ERROR, (Status.FAILED, "rules_unreadable")),
        ({"rules_unreadable": "FAIL"}, 503, OutcomeKind.DECODE_ERROR, (Status.FAILED, "rules_unreadable")),
        (
            {"rules_unreadable": "fail", "retry_on": [200]},
            200,
            OutcomeKind.DECODE_ERROR,
            (Status.RETRYING, "retry_on"),
        ),
        ({"rules_unreadable": "ignore"}, 200, OutcomeKind.OK, (Status.SUCCEEDED, "ok")),
        ({"rules_unreadable": "ignore"}, 404, OutcomeKind.HTTP_ERROR, (Status.FAILED, "not retryable")),
        ({"rules_unreadable": "ignore"}, 503, OutcomeKind.HTTP_ERROR, (Status.RETRYING, "retry")),
    ],
)
def test_the_task_decides(
    fields: dict[str, Any],
    status: int,
    kind: OutcomeKind,
    expected: tuple[Status, str],
    method: str,
    hostile: Hostile,
    fetch: Fetcher,
) -> None:
    """The target answered, so a POST is no `unknown`; every attempt tells why no rule was asked."""
    url = hostile.url(answers(status, CUT, JSON))

    outcome, verdict = attempt(fetch, url, method=method, rules=[RUNNING], **fields)

    assert (outcome.kind, verdict.status, verdict.reason) == (kind, *expected)
    assert str(outcome.error).endswith(SAYS)
    assert outcome.response is not None
    assert outcome.response.body == CUT


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("retry", (Status.RETRYING, "retry")),
        ("fail", (Status.FAILED, "rules_unreadable")),
        ("ignore", (Status.FAILED, "rule")),
    ],
)
def test_a_later_rule_decides_only_if_the_document_is_ignored(
    policy: str, expected: tuple[Status, str], hostile: Hostile, fetch: Fetcher
) -> None:
    """It would not have been asked if the document said that the job runs."""
    rules = [RUNNING, {"when": {"status": 200}, "then": "fail"}]

    _, verdict = attempt(fetch, hostile.url(answers(200, CUT)), rules=rules, rules_unreadable=policy)

    assert (verdict.status, verdict.reason) == expected


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'\xef\xbb\xbf{"state": "running"}', "application/json"),
        ('{"state": "running"}'.encode("utf-16"), "application/json; charset=utf-16"),
        ('{"state": "running"}'.encode("utf-32-be"), "application/json"),
        ('{"state": "running", "by": "J\xfcrgen"}'.encode("latin-1"), "application/json; charset=ISO-8859-1"),
        (b'{"state": "running", "by": "\\ud83d"}', "application/json"),
        (b')]}\',\n{"state": "running"}', "application/json"),
    ],
)
def test_a_job_that_runs_is_not_done(
    body: bytes, content_type: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """However its document is spelt."""
    url = hostile.url(answers(200, body, f"Content-Type: {content_type}"))

    outcome, verdict = attempt(fetch, url, rules=[RUNNING], rules_unreadable="fail")

    assert (outcome.kind, outcome.error) == (OutcomeKind.OK, None)
    assert (verdict.status, verdict.reason) == (Status.RETRYING, "rule")


def test_a_document_that_is_too_large_is_told(hostile: Hostile, fetch: Fetcher) -> None:
    """Rather than taken for one that is done."""
    body = b'{"state": "running", "log": "' + b"x" * MAX_JSON_BYTES + b'"}'

    outcome, verdict = attempt(fetch, hostile.url(answers(200, body, JSON)), rules=[RUNNING])

    assert verdict.status is Status.RETRYING
    assert "of which rules read at most" in str(outcome.error) or "not kept to its end" in str(outcome.error)
