"""From a real answer, or none, to the verdict on the task."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.retries.retry import Verdict, decide
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.handlers.base import AttemptContext
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.behaviours import answers
from tests.tools.encoders import ENCODERS
from tests.tools.fetching import LOOPBACK
from tests.tools.hostile import Behaviour, Hostile, Peer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def judge(fetch: Fetcher, url: str, **fields: Any) -> tuple[OutcomeKind, Verdict]:
    """As `attempt`, of which most tests want no more than the kind."""
    outcome, verdict = attempt(fetch, url, **fields)
    return outcome.kind, verdict


def attempt(fetch: Fetcher, url: str, *, number: int = 1, **fields: Any) -> tuple[Outcome, Verdict]:
    """Submit a task without a retry delay of its own, make one attempt, and judge it."""
    draft = TaskDraft.from_fields(
        {"url": url, "timeout": 1, "retry": {"base": 0, "cap": 0}, **fields}, LOOPBACK
    )
    task = draft.to_task(TaskSettings(limits=LOOPBACK), task_id=new_task_id(), now=NOW)
    outcome = fetch.handler.run(AttemptContext(task=task, number=number))
    verdict = decide(task, outcome, attempt=number, attempt_limit=task.max_attempts, now=NOW, random=0)
    return outcome, verdict


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204, 299), Status.SUCCEEDED),
        ((408, 425, 429, 500, 502, 503, 504), Status.RETRYING),
        ((300, 304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 451, 499, 501, 505, 599), Status.FAILED),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_status_decides(
    method: str, statuses: tuple[int, ...], expected: Status, hostile: Hostile, fetch: Fetcher
) -> None:
    """One table applies to every method."""
    for status in statuses:
        _, verdict = judge(fetch, hostile.url(answers(status)), method=method)
        assert verdict.status is expected, status


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (behaviours.t01_never_reads, OutcomeKind.TIMEOUT),
        (behaviours.t02_body_drip, OutcomeKind.TIMEOUT),
        (behaviours.f17_empty, OutcomeKind.CONNECT_ERROR),
        (behaviours.f18_reset_before_reply, OutcomeKind.CONNECT_ERROR),
        (behaviours.f01_short_body, OutcomeKind.PROTOCOL_ERROR),
    ],
)
def test_without_an_answer_only_an_idempotent_request_is_retried(
    behaviour: Behaviour, kind: OutcomeKind, hostile: Hostile, fetch: Fetcher
) -> None:
    """A GET or PUT is retried; a POST only if the task allows it. The kind is the same."""
    url = hostile.url(behaviour)

    for fields in ({}, {"method": "PUT"}, {"method": "POST", "retry_unsafe": True}):
        found, verdict = judge(fetch, url, **fields)
        assert (found, verdict.status) == (kind, Status.RETRYING)
    found, verdict = judge(fetch, url, method="POST")
    assert (found, verdict.status, verdict.reason) == (kind, Status.FAILED, "unknown")


def test_a_post_that_was_not_sent_is_retried(fetch: Fetcher) -> None:
    """Nobody listens, so the target cannot have acted."""
    with Hostile() as short_lived:
        url = short_lived.url(behaviours.answer)

    kind, verdict = judge(fetch, url, method="POST")

    assert (kind, verdict.status) == (OutcomeKind.CONNECT_ERROR, Status.RETRYING)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], 0),
        (["0"], 0),
        (["120"], 120),
        ([" 7 "], 7),
        (["-5"], 0),
        (["1.5"], 1.5),
        (["1e9"], 0),
        ([""], 0),
        (["9" * 5000], 86_400),
        (["Wed, 01 Jan 9999 00:00:00 GMT"], 86_400),
        (["Wed, 32 Jan 2027 00:00:00 GMT"], 0),
        (["Sun, 06 Nov 1994 08:49:37 GMT"], 0),
        (["3", "60"], 60),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retry_after_is_a_floor_and_has_a_cap(
    values: list[str], seconds: float, hostile: Hostile, fetch: Fetcher
) -> None:
    """No value of a server can shorten our own delay or exceed the cap."""
    url = hostile.url(answers(503, b"", *(f"Retry-After: {value}" for value in values)))

    _, verdict = judge(fetch, url)

    assert verdict.due is not None
    assert (verdict.due - NOW).total_seconds() == seconds


PENDING = {"json": {"path": "$.jobs[0].state", "equals": ["new", "running"]}}
RULES = [
    {"when": {"status": 409}, "then": "success"},
    {"when": {"header": {"name": "X-Quota", "equals": "over"}}, "then": "throttle"},
    {"when": {"status": [200], **PENDING}, "then": "retry"},
    {"when": {"status": 200, "json": {"path": "$.error"}}, "then": "fail"},
]


@pytest.mark.parametrize(
    ("behaviour", "status", "counted"),
    [
        (answers(409, b"{}"), Status.SUCCEEDED, True),
        (answers(403, b"", "x-quota: over", "Retry-After: 9"), Status.RETRYING, False),
        (answers(200, b'{"jobs": [{"state": "running"}]}'), Status.RETRYING, True),
        (answers(200, b'{"jobs": [{"state": "done"}]}'), Status.SUCCEEDED, True),
        (answers(200, b'{"error": "no such job"}'), Status.FAILED, True),
        (answers(200, b'{"error": '), Status.RETRYING, True),
        (answers(404, b'{"error": "no such job"}'), Status.FAILED, True),
        (answers(503, b'{"error": "busy"}'), Status.RETRYING, True),
    ],
)
def test_a_tasks_own_rules_come_first(
    behaviour: Behaviour, status: Status, counted: bool, hostile: Hostile, fetch: Fetcher
) -> None:
    """The rules see the real answer. Where no rule matches, the status decides."""
    _, verdict = judge(fetch, hostile.url(behaviour), rules=RULES)

    assert (verdict.status, verdict.counted) == (status, counted)
    if not counted:
        assert verdict.due is not None
        assert (verdict.due - NOW).total_seconds() == 9


def test_rules_read_the_decoded_body(hostile: Hostile, fetch: Fetcher) -> None:
    """The rules see the decoded body."""
    body = ENCODERS["br"](json.dumps({"error": 1}).encode())
    url = hostile.url(answers(200, body, "Content-Encoding: br"))

    assert judge(fetch, url, rules=RULES)[1].status is Status.FAILED


def test_no_rule_applies_to_an_incomplete_answer(hostile: Hostile, fetch: Fetcher) -> None:
    """A truncated body is no answer."""
    rules = [{"when": {"status": 200}, "then": "success"}]

    kind, verdict = judge(fetch, hostile.url(behaviours.f01_short_body), rules=rules)

    assert (kind, verdict.status) == (OutcomeKind.PROTOCOL_ERROR, Status.RETRYING)


MOVED = answers(302, b'{"state": "queued"}', "Location: /login")
UNUSABLE = answers(302, b"", "Location: myapp://done")


@pytest.mark.parametrize(
    ("behaviour", "fields", "expected"),
    [
        (MOVED, {"method": "POST"}, (Status.FAILED, "not retryable")),
        (MOVED, {"method": "POST", "fail_on": [302]}, (Status.FAILED, "fail_on")),
        (MOVED, {"method": "POST", "retry_on": [302]}, (Status.RETRYING, "retry_on")),
        (MOVED, {"redirects": "NONE", "retry_on": [302]}, (Status.RETRYING, "retry_on")),
        (
            MOVED,
            {
                "method": "POST",
                "rules": [{"when": {"header": {"name": "Location", "equals": "/login"}}, "then": "retry"}],
            },
            (Status.RETRYING, "rule"),
        ),
        (
            MOVED,
            {
                "redirects": "none",
                "rules": [{"when": {"json": {"path": "$.state", "equals": "queued"}}, "then": "success"}],
            },
            (Status.SUCCEEDED, "rule"),
        ),
        (UNUSABLE, {}, (Status.FAILED, "not retryable")),
        (UNUSABLE, {"retry_on": [302]}, (Status.RETRYING, "retry_on")),
        (UNUSABLE, {"rules": [{"when": {"status": 302}, "then": "success"}]}, (Status.SUCCEEDED, "rule")),
    ],
)
def test_a_redirect_that_is_not_followed_is_judged_like_any_answer(
    behaviour: Behaviour,
    fields: dict[str, Any],
    expected: tuple[Status, str],
    hostile: Hostile,
    fetch: Fetcher,
) -> None:
    """Rules, `fail_on` and `retry_on` see its status, headers and body, whatever the reason."""
    _, verdict = judge(fetch, hostile.url(behaviour), **fields)

    assert (verdict.status, verdict.reason) == expected


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (200, {}, (Status.SUCCEEDED, "ok")),
        (404, {}, (Status.FAILED, "not retryable")),
        (503, {}, (Status.FAILED, "unknown")),
        (503, {"retry_unsafe": True}, (Status.RETRYING, "retry")),
        (503, {"retry_on": [503]}, (Status.RETRYING, "retry_on")),
        (503, {"method": "PUT"}, (Status.RETRYING, "retry")),
    ],
)
def test_the_answer_after_a_303_does_not_repeat_the_post(
    status: int, fields: dict[str, Any], expected: tuple[Status, str], hostile: Hostile, fetch: Fetcher
) -> None:
    """A 503 to the GET says nothing of the POST, which the target has served (RFC 9110 15.4.4)."""

    def behaviour(peer: Peer) -> None:
        while True:
            first = peer.read().target == "/"
            head = "303 X\r\nLocation: /end" if first else f"{status} X"
            peer.send(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())

    _, verdict = judge(fetch, hostile.url(behaviour), **{"method": "POST", **fields})

    assert (verdict.status, verdict.reason) == expected


GZIP = "Content-Encoding: gzip"
CUT = ENCODERS["gzip"](b'{"state": "running"}')[:-4]
STATE = {"when": {"json": {"path": "$.state", "equals": "running"}}, "then": "throttle"}
BAD_BODIES: dict[str, tuple[bytes, *tuple[str, ...]]] = {
    "not gzip": (b"plain text", GZIP),
    "cut": (CUT, GZIP),
    "empty member": (b"\x1f\x8b", GZIP),
    "unknown": (b"abc", "Content-Encoding: rot13"),
    "wrong order": (ENCODERS["gzip"](ENCODERS["br"](b"abc")), "Content-Encoding: gzip, br"),
    "twice announced": (ENCODERS["gzip"](b"abc"), GZIP, GZIP),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (200, {}, (Status.SUCCEEDED, "ok")),
        (503, {}, (Status.RETRYING, "retry")),
        (404, {}, (Status.FAILED, "not retryable")),
        (200, {"fail_on": [200]}, (Status.FAILED, "fail_on")),
        (404, {"retry_on": [404]}, (Status.RETRYING, "retry_on")),
        (404, {"rules": [{"when": {"status": 404}, "then": "success"}]}, (Status.SUCCEEDED, "rule")),
    ],
)
@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_wrong_coding_does_not_outrank_the_status(
    body: str,
    status: int,
    fields: dict[str, Any],
    expected: tuple[Status, str],
    method: str,
    hostile: Hostile,
    fetch: Fetcher,
) -> None:
    """Head and framing are complete (RFC 9112 section 8): the answer counts, the body stays as it came."""
    raw, *headers = BAD_BODIES[body]
    url = hostile.url(answers(status, raw, *headers, "Retry-After: 5"))

    outcome, verdict = attempt(fetch, url, method=method, **fields)

    assert (verdict.status, verdict.reason) == expected
    if verdict.due is not None:
        assert (verdict.due - NOW).total_seconds() == 5
    assert outcome.response is not None
    assert (outcome.response.body, outcome.response.undecodable) == (raw, True)


@pytest.mark.parametrize(
    ("status", "body", "fields", "kind", "expected"),
    [
        (200, CUT, {}, OutcomeKind.DECODE_ERROR, (Status.RETRYING, "retry")),
        (200, CUT, {"fail_on": [200]}, OutcomeKind.DECODE_ERROR, (Status.FAILED, "fail_on")),
        (200, CUT, {"rules": [{"when": {"status": 200}, "then": "success"}, STATE]}, OutcomeKind.OK, None),
        (204, b"", {}, OutcomeKind.OK, None),
        (200, b'{"state": "running"}', {}, OutcomeKind.OK, (Status.RETRYING, "rule")),
    ],
)
def test_a_json_rule_needs_the_content(
    status: int,
    body: bytes,
    fields: dict[str, Any],
    kind: OutcomeKind,
    expected: tuple[Status, str] | None,
    hostile: Hostile,
    fetch: Fetcher,
) -> None:
    """A job that may still run is not taken for done; the POST was answered, so it is no `unknown`.

    JSON that claims a coding which was never applied is read.
    """
    url = hostile.url(answers(status, body, GZIP))

    found, verdict = judge(fetch, url, method="POST", **{"rules": [STATE], **fields})

    assert found is kind
    if expected is None:
        assert verdict.status is Status.SUCCEEDED
    else:
        assert (verdict.status, verdict.reason) == expected
