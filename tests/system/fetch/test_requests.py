"""A request holds what the task says, plus what names us and the attempt. The environment changes nothing."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from taskrunner.domain.tasks.envelope import decode_task
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.tasks.trace import traceparent
from taskrunner.domain.value import replace
from taskrunner.handlers.base import AttemptContext
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours, http2_behaviours
from tests.tools.fetching import LOOPBACK
from tests.tools.hostile import Hostile, Seen

ALWAYS = {"Host", "Accept", "Accept-Encoding", "User-Agent", "Idempotency-Key"}
ALWAYS |= {"Taskrunner-Task-Id", "Taskrunner-Attempt", "traceparent"}


def names(seen: Seen) -> set[str]:
    return {name for name, _ in seen.headers}


def test_a_plain_get_sends_our_headers_and_no_others(hostile: Hostile, fetch: Fetcher) -> None:
    """No header is sent that we did not choose."""
    context = fetch.context(hostile.url(behaviours.answer) + "a/b?c=d#e", number=3)

    outcome = fetch.handler.run(context)

    assert outcome.kind is OutcomeKind.OK
    [seen] = hostile.ledger.requests
    assert (seen.method, seen.target, seen.body) == ("GET", "/a/b?c=d", b"")
    assert names(seen) == ALWAYS
    assert seen.header("Idempotency-Key") == context.task.id
    assert seen.header("Taskrunner-Task-Id") == context.task.id
    assert seen.header("Taskrunner-Attempt") == "3"
    assert seen.header("traceparent") == traceparent(context.task.id, 3, None)
    assert (seen.header("User-Agent") or "").startswith("taskrunner/")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_can_have_a_body(method: str, hostile: Hostile, fetch: Fetcher) -> None:
    """Method and body are sent exactly as in the task, without a Content-Type of ours."""
    fetch(hostile.url(behaviours.answer), method=method, body="häl\0lo")

    [seen] = hostile.ledger.requests
    assert (seen.method, seen.body) == (method, "häl\0lo".encode())
    assert names(seen) == ALWAYS | {"Content-Length"}


@pytest.mark.parametrize(
    ("fields", "content", "content_type"),
    [
        ({"body": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"body": [1]}, b"[1]", "application/json"),
        ({"body": {}}, b"{}", "application/json"),
        ({"body": []}, b"[]", "application/json"),
        ({"body": '{"a": 1}'}, b'{"a": 1}', None),
        ({"body": "h\u00e4llo"}, "h\u00e4llo".encode(), None),
        ({"body": ""}, b"", None),
        ({"body_base64": "AAE="}, b"\0\1", None),
        ({}, b"", None),
        ({"body": {"a": 1}, "headers": {"content-type": "text/x"}}, b'{"a":1}', "text/x"),
        ({"body": "a", "headers": {"CONTENT-TYPE": "text/x"}}, b"a", "text/x"),
        ({"body_base64": "AAE=", "headers": {"Content-Type": "image/png"}}, b"\0\1", "image/png"),
    ],
)
def test_the_kind_of_body_decides_on_the_content_type(
    fields: dict[str, Any], content: bytes, content_type: str | None, hostile: Hostile, fetch: Fetcher
) -> None:
    """As the table in docs/tasks.md and the OpenAPI document say."""
    given = {"url": hostile.url(behaviours.answer), "method": "POST", **fields}
    draft = TaskDraft.from_fields(given, LOOPBACK)
    task = draft.to_task(TaskSettings(limits=LOOPBACK), task_id="kind", now=datetime.now(UTC))

    fetch.handler.run(AttemptContext(task=task, number=1))

    [seen] = hostile.ledger.requests
    assert (seen.body, seen.header("Content-Type")) == (content, content_type)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_post_without_a_body_has_content_length_0(method: str, hostile: Hostile, fetch: Fetcher) -> None:
    """RFC 9110 8.6: such a request has Content-Length: 0."""
    fetch(hostile.url(behaviours.answer), method=method)

    [seen] = hostile.ledger.requests
    assert (seen.method, seen.header("Content-Length")) == (method, "0")


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS"])
def test_other_methods_without_a_body_have_no_length(method: str, hostile: Hostile, fetch: Fetcher) -> None:
    """Nothing but the method differs from a GET."""
    fetch(hostile.url(behaviours.answer), method=method)

    [seen] = hostile.ledger.requests
    assert seen.method == method
    assert names(seen) == ALWAYS


def test_head_does_not_wait_for_a_body(hostile: Hostile, fetch: Fetcher) -> None:
    """A HEAD ends with the head, although the head announces a body. A body of the task is not sent."""
    url = hostile.url(behaviours.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", keep=True))

    outcome = fetch(url, method="HEAD", body="ignored")

    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    assert outcome.response.size_bytes == 0
    [seen] = hostile.ledger.requests
    assert (seen.method, seen.header("Content-Length")) == ("HEAD", None)


def test_the_trace_of_the_submit_continues(hostile: Hostile, fetch: Fetcher) -> None:
    """Each attempt is a span of its own in the trace. A `traceparent` header of the task wins."""
    parent, own = f"00-{'a' * 32}-{'b' * 16}-00", f"00-{'c' * 32}-{'d' * 16}-01"
    url = hostile.url(behaviours.answer)
    for number in (1, 2):
        fetch(url, number=number, traceparent=parent)
    fetch(url, traceparent=parent, headers={"Traceparent": own})

    first, second, third = [seen.header("traceparent") or "" for seen in hostile.ledger.requests]
    assert first.split("-")[1::2] == second.split("-")[1::2] == ["a" * 32, "00"]
    assert len({parent, first, second}) == 3
    assert third == own


def test_one_handle_changes_between_methods(hostile: Hostile, fetch: Fetcher) -> None:
    """No method or body of one task affects the next on the same connection."""
    url = hostile.url(behaviours.answer)
    plan = [("POST", "one"), ("GET", None), ("DELETE", None), ("PUT", "two"), ("OPTIONS", None)]
    plan += [("GET", "three"), ("GET", None), ("POST", None), ("DELETE", "four"), ("GET", None)]

    for method, body in plan:
        assert fetch(url, method=method, body=body).kind is OutcomeKind.OK

    sent = [(seen.method, seen.body.decode() or None) for seen in hostile.ledger.requests]
    assert sent == plan
    # Each POST has a connection of its own, which the request after it uses.
    assert hostile.ledger.connections == 2


def test_a_large_body_is_sent_without_expect(hostile: Hostile, fetch: Fetcher) -> None:
    """libcurl would send Expect: 100-continue and wait a second for permission."""
    fetch(hostile.url(behaviours.answer), method="POST", body="x" * 3_000_000)

    [seen] = hostile.ledger.requests
    assert seen.header("Expect") is None
    assert len(seen.body) == 3_000_000


def test_the_tasks_own_headers_win_where_they_may(hostile: Hostile, fetch: Fetcher) -> None:
    """The task may set User-Agent, Idempotency-Key and the like, but not the ids of task and attempt."""
    given = {
        "user-agent": "mine",
        "IDEMPOTENCY-KEY": "key-1",
        "Accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "text/plain",
        "X-Empty": "",
        "Taskrunner-Task-Id": "forged",
        "taskrunner-attempt": "99",
    }
    context = fetch.context(hostile.url(behaviours.answer), method="POST", body="x", headers=given)

    fetch.handler.run(context)

    [seen] = hostile.ledger.requests
    assert seen.header("User-Agent") == "mine"
    assert seen.header("Idempotency-Key") == "key-1"
    assert seen.header("Accept") == "application/json"
    assert seen.header("Accept-Encoding") == "identity"
    assert seen.header("Content-Type") == "text/plain"
    assert seen.header("X-Empty") == ""
    assert seen.header("Taskrunner-Task-Id") == context.task.id
    assert seen.header("Taskrunner-Attempt") == "1"


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X-A": "b\0c"}},
        {"headers": {"X-A": "ü"}},
        {"headers": {"X A": "b"}},
        {"headers": {"Host": "elsewhere"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"id": "a\r\nX-C: d"},
        {"method": "CONNECT"},
        {"method": "TRACE"},
        {"method": "GET / HTTP/1.1\r\nX:"},
    ],
    ids=str,
)
def test_a_task_that_breaks_a_rule_is_not_sent(
    fields: dict[str, object], hostile: Hostile, fetch: Fetcher
) -> None:
    """An envelope can reach a worker without intake, so the worker applies the rules too."""
    outcome = fetch(hostile.url(behaviours.answer), number=1, **fields)

    assert outcome.kind is OutcomeKind.BLOCKED
    assert hostile.ledger.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://{}/", "file:///etc/passwd", "gopher://{}/x", "http://user:pw@{}/", "http://{}/a b"]
)
def test_an_invalid_url_is_not_fetched(url: str, hostile: Hostile, fetch: Fetcher) -> None:
    """Only http and https, without user info, in printable ASCII."""
    authority = hostile.url(behaviours.answer).split("/")[2]

    outcome = fetch(url.format(authority))

    assert outcome.kind is OutcomeKind.BLOCKED
    assert hostile.ledger.connections == 0


def test_the_environment_changes_nothing(
    hostile: Hostile, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxy variables nor netrc are read, or a request would depend on who started the process."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    outcome = fetch(hostile.url(behaviours.answer))

    assert outcome.kind is OutcomeKind.OK
    [seen] = hostile.ledger.requests
    assert names(seen) == ALWAYS


def test_no_cookie_is_kept(hostile: Hostile, fetch: Fetcher) -> None:
    """A cookie that one task received is not sent with the next one, to any port of the host."""
    fetch(hostile.url(behaviours.e09_cookies))
    fetch(hostile.url(behaviours.e09_cookies))

    assert [seen.header("Cookie") for seen in hostile.ledger.requests] == [None, None]


def test_dots_in_a_path_are_sent_as_they_are(hostile: Hostile, fetch: Fetcher) -> None:
    """The receiver decides what a path means."""
    fetch(hostile.url(behaviours.answer) + "..//../x")

    assert [seen.target for seen in hostile.ledger.requests] == ["/..//../x"]


@pytest.mark.parametrize(
    "limits",
    [
        {"max_headers": 0},
        {"max_headers": 1, "max_header_bytes": 16, "max_headers_bytes": 16},
    ],
)
def test_headers_that_we_add_do_not_count_against_limits(
    limits: dict[str, int], hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The task's limits do not count the Content-Type of a JSON body, nor the headers of a callback."""
    narrow = replace(LOOPBACK, **limits)
    fetch = make_fetcher(limits=narrow)
    url = hostile.url(behaviours.answer)
    draft = TaskDraft.from_fields({"url": url, "body": {"a": 1}, "callback": {"url": url}}, narrow)
    task = draft.to_task(TaskSettings(limits=narrow), task_id="t", now=datetime.now(UTC))
    end = End(task=task, status=Status.SUCCEEDED, attempt=1, error=None, outcome=None, now=task.created_at)
    [callback] = follow_ups(end, ())

    for each in (task, decode_task(callback.encoded)):
        assert fetch.handler.run(AttemptContext(task=each, number=1)).kind is OutcomeKind.OK

    assert [seen.header("content-type") for seen in hostile.ledger.requests] == ["application/json"] * 2


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    "target",
    ["/a%2fb%2Fc%7e?x=%2f", "/a?", "/?", "/a/../b/./c", "//a//b", "/a?b?c", "/%2e%2e/x", '/{}|^`"<>'],
)
def test_the_request_line_is_what_was_handed_in(
    target: str,
    http2: bool,
    hostile: Hostile,
    fetch: Fetcher,
    tls_http2: ssl.SSLContext,
) -> None:
    """Byte for byte: a signature may cover it."""
    behaviour = http2_behaviours.answer if http2 else behaviours.answer
    url = hostile.url(behaviour, tls=tls_http2 if http2 else None).rstrip("/")

    assert fetch(url + target).kind is OutcomeKind.OK

    assert hostile.ledger.requests[0].target == target
