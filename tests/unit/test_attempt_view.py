"""Attempts as they are read: in full, as an HTTP Archive, as a curl command."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from taskrunner.api import curl, har
from taskrunner.api.views.attempt import AttemptDetail, AttemptList, waterfall
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import AttemptUnknown
from taskrunner.domain.masking import MASK, Masking
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Hop, OutcomeKind, Response, Timings
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
TASK = Task(
    id="t",
    url="http://a.test/p?q=1&api_key=s3cret",
    method="POST",
    headers={"Authorization": "Basic s3cret", "Warning": "it's $HOME", "X-Empty": "", "User-Agent": "mine"},
    body="s3cret",
    timeout=30,
    max_attempts=5,
    retry=RetryPolicy(),
    created_at=NOW,
)
TIMINGS = Timings(dns=0.01, connect=0.03, tls=0.06, first_byte=0.16, total=0.2)
FIRST = Response(
    status=503, headers=(("A", "b"), ("Set-Cookie", "s3cret")), timings=TIMINGS, url="http://a.test/p"
)
LAST = replace(FIRST, status=200, content_type="text/plain", size_bytes=2, http_version="2")


def ended(number: int, **changes: object) -> Attempt:
    line = Attempt(
        number=number,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1),
        outcome=OutcomeKind.OK,
        status_code=200,
        address="203.0.113.7:80",
    )
    return replace(line, **changes)


RECORD = Record(
    task=TASK,
    status=Status.SUCCEEDED,
    attempt=3,
    attempt_limit=5,
    due=None,
    attempts=(
        ended(1, outcome=OutcomeKind.HTTP_ERROR, status_code=503, response=FIRST),
        ended(2, outcome=OutcomeKind.TIMEOUT, status_code=None, error="late", address=None, timings=TIMINGS),
        ended(3),
    ),
    result=LAST,
    error=None,
    updated_at=NOW,
    finished_at=NOW,
    kept_until=NOW,
)


def detail(number: int, record: Record = RECORD) -> AttemptDetail:
    return AttemptDetail.of_record(record, number, Masking(), user_agent="taskrunner/x")


def test_each_attempt_has_its_own_answer() -> None:
    """The last one's is the result; those before it left their heads in their lines."""
    answers = [each.response for each in AttemptList.of(RECORD, Masking(), user_agent="x").attempts]
    assert [answer and answer.status_code for answer in answers] == [503, None, 200]
    running = replace(RECORD, attempts=(*RECORD.attempts, Attempt(number=4, started_at=NOW)))
    assert [detail(number, running).response is None for number in (3, 4)] == [False, True]
    with pytest.raises(AttemptUnknown, match="no attempt 4"):
        detail(4)


def test_what_was_sent_is_told_with_what_is_secret_masked() -> None:
    request = detail(2).request
    assert request is not None
    headers = {each.name: each.value for each in request.headers}
    assert headers["Taskrunner-Attempt"] == "2"
    assert (headers["Idempotency-Key"], headers["User-Agent"]) == ("t", "mine")
    assert headers["Authorization"] == MASK
    assert request.url == "http://a.test/p?q=1&api_key=***"
    assert request.body_size == 6


def test_no_form_tells_a_secret() -> None:
    """Neither of the request nor of the answer, nor the body."""
    details = AttemptList.of(RECORD, Masking(), user_agent="x").attempts
    told = encode(details) + encode(har.archive(details))
    told += "".join(curl.command(each, timeout=30) for each in details).encode()
    assert b"s3cret" not in told


def phases(timings: Timings, redirects: int = 0) -> list[tuple[str, float, float]]:
    return [(each.phase, each.start, each.end) for each in waterfall(timings, redirects)]


def test_the_waterfall_shows_where_the_time_went() -> None:
    assert phases(TIMINGS) == [
        ("dns", 0.0, 0.01),
        ("connect", 0.01, 0.03),
        ("tls", 0.03, 0.06),
        ("wait", 0.06, 0.16),
        ("receive", 0.16, 0.2),
    ]


def test_a_kept_connection_was_not_dialled() -> None:
    assert [name for name, _, _ in phases(replace(TIMINGS, dns=0.0, connect=0.0, tls=0.0))] == [
        "wait",
        "receive",
    ]


def test_of_redirects_only_the_last_exchange_is_shown_apart() -> None:
    """All else is before it, and the end is the end."""
    shown = phases(replace(TIMINGS, total=1.16), redirects=2)
    assert shown[0] == ("redirects", 0.0, 1.0)
    assert (shown[-1][0], shown[-1][2]) == ("wait", 1.16)


def test_an_attempt_without_an_answer_shows_how_far_it_came() -> None:
    assert phases(replace(TIMINGS, tls=0.0, first_byte=0.0)) == [
        ("dns", 0.0, 0.01),
        ("connect", 0.01, 0.03),
        ("receive", 0.03, 0.2),
    ]


def test_an_archive_has_what_the_format_asks_for() -> None:
    """HAR 1.2: the members that are not optional, times in milliseconds that add up."""
    document = json.loads(encode(har.archive([detail(number) for number in (1, 2, 3)])))
    assert document["log"]["version"] == "1.2"
    first, second, third = document["log"]["entries"]
    for entry in (first, second, third):
        assert entry.keys() >= {"startedDateTime", "time", "request", "response", "cache", "timings"}
        timings = entry["timings"]
        spent = sum(timings[name] for name in ("dns", "connect", "send", "wait", "receive"))
        assert entry["time"] == pytest.approx(spent) == pytest.approx(200)
        assert timings["connect"] >= timings["ssl"] > 0
    assert (first["serverIPAddress"], first["connection"]) == ("203.0.113.7", "80")
    assert (second["response"]["status"], "serverIPAddress" in second) == (0, False)
    assert (third["response"]["statusText"], third["response"]["httpVersion"]) == ("OK", "HTTP/2")
    assert {"name": "q", "value": "1"} in third["request"]["queryString"]


def test_an_archive_leaves_out_what_runs() -> None:
    running = replace(RECORD, attempts=(Attempt(number=1, started_at=NOW),), result=None)
    assert har.archive([detail(1, running)]).log["entries"] == []


def test_a_command_is_one_to_the_shell() -> None:
    """Whatever stands in URL and headers."""
    text = curl.command(detail(1), timeout=2.5)
    words = shlex.split(text, comments=True)
    assert words[:2] == ["curl", "http://a.test/p?q=1&api_key=***"]
    assert words[words.index("--request") + 1] == "POST"
    assert words[words.index("--max-time") + 1] == "2.5"
    assert words[words.index("--data-binary") + 1] == "@BODY"
    headers = [value for name, value in pairwise(words) if name == "--header"]
    assert "Warning: it's $HOME" in headers
    assert "X-Empty;" in headers
    assert "6 bytes" in text


def test_a_plain_get_is_a_plain_command() -> None:
    plain = replace(RECORD, task=replace(TASK, method="GET", url="http://a.test/", headers={}, body=None))
    text = curl.command(detail(1, plain), timeout=30)
    assert "--request" not in text
    assert "BODY" not in text
    assert MASK not in text


def test_every_request_of_a_redirected_attempt_is_told() -> None:
    """POST → 303 → GET 200, in the attempt and as entries of the archive, without secrets."""
    hops = (
        Hop(method="POST", url=TASK.url or "", status=303),
        Hop(method="GET", url="http://a.test/login?token=s3cret", status=200),
    )
    told = detail(3, replace(RECORD, attempts=(*RECORD.attempts[:2], ended(3, hops=hops))))

    shown = [(hop.method, hop.url, hop.status_code) for hop in told.hops]
    assert shown == [
        ("POST", "http://a.test/p?q=1&api_key=***", 303),
        ("GET", "http://a.test/login?token=***", 200),
    ]
    entries = har.archive([told]).log["entries"]
    assert [(e["request"]["method"], e["request"]["url"], e["response"]["status"]) for e in entries] == shown
    assert entries[0]["response"]["redirectURL"] == "http://a.test/login?token=***"
    assert entries[0]["request"]["headers"]
    assert not entries[1]["request"]["headers"]


def test_a_hop_without_an_answer_is_the_last_entry() -> None:
    hops = (Hop(method="POST", url=TASK.url or "", status=307), Hop(method="POST", url="http://b.test/"))
    late = replace(RECORD.attempts[1], hops=hops)
    told = detail(2, replace(RECORD, attempts=(RECORD.attempts[0], late, RECORD.attempts[2])))

    entries = har.archive([told]).log["entries"]
    assert [(e["request"]["url"], e["response"]["status"]) for e in entries] == [
        ("http://a.test/p?q=1&api_key=***", 307),
        ("http://b.test/", 0),
    ]
