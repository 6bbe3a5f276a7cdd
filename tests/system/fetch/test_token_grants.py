"""Tokens of another issuer: how and how often it is asked, and what an attempt without one becomes."""

import base64
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from taskrunner.domain.retries import retry
from taskrunner.domain.targets.credential import ClientAuth, GrantedToken
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.handlers.http import token_grants
from taskrunner.handlers.http.settings import EgressProxy, FetchSettings
from taskrunner.handlers.http.target_auth import TargetAuth
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.fetching import LOOPBACK
from tests.tools.hostile import Behaviour, Hostile, Peer

ID, SECRET = "us:er ü", "s3cret:&="
TOKEN = "t0ken.-_~+/=="


def grants(token: object = TOKEN, **fields: object) -> Behaviour:
    """An endpoint that answers with a token."""
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **fields}
    return behaviours.answers(200, json.dumps(answer).encode(), "Content-Type: application/json")


def settings(url: str, **fields: Any) -> dict[str, Any]:
    """Of a credential that is granted tokens at `url`."""
    given: dict[str, Any] = {"hosts": ("127.0.0.1",), "client_id": ID, "client_secret": SECRET, **fields}
    return {"credentials": {"erp": GrantedToken(token_url=url, **given)}}


@pytest.fixture
def endpoint() -> Any:
    with Hostile() as server:
        yield server


def authorizations(server: Hostile) -> list[str | None]:
    return [seen.header("Authorization") for seen in server.ledger.requests]


def test_a_client_asks_by_http_basic(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """RFC 6749 section 2.3.1: both are form-encoded first, so that a colon in the id is no end of it."""
    fetch = make_fetcher(**settings(endpoint.url(grants())))
    assert fetch(hostile.url(behaviours.answer), auth="erp").kind is OutcomeKind.OK

    [asked] = endpoint.ledger.requests
    assert (asked.method, asked.header("Content-Type")) == ("POST", "application/x-www-form-urlencoded")
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"]}
    pair = base64.b64decode((asked.header("Authorization") or "").removeprefix("Basic ")).decode()
    assert pair == "us%3Aer+%C3%BC:s3cret%3A%26%3D"
    assert authorizations(hostile) == [f"Bearer {TOKEN}"]


def test_a_client_asks_by_form(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """With the scope and the audience that the operator wants."""
    url = endpoint.url(grants())
    fetch = make_fetcher(**settings(url, client_auth=ClientAuth.POST, scope="a b", audience="https://erp"))
    fetch(hostile.url(behaviours.answer), auth="erp")

    [asked] = endpoint.ledger.requests
    assert asked.header("Authorization") is None
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": [ID],
        "client_secret": [SECRET],
        "scope": ["a b"],
        "audience": ["https://erp"],
    }


@pytest.mark.parametrize(
    ("expires_in", "asked"),
    [(3600, 1), ("3600", 1), (None, 1), ("soon", 1), (-1, 1), (1e-6, 3), ("0.000001", 3)],
)
def test_a_token_is_kept_until_it_is_about_to_expire(
    expires_in: object,
    asked: int,
    endpoint: Hostile,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
) -> None:
    """For a minute, if nobody knows how long it is good."""
    fetch = make_fetcher(**settings(endpoint.url(grants(expires_in=expires_in))))
    for _ in range(3):
        fetch(hostile.url(behaviours.answer), auth="erp")

    assert len(endpoint.ledger.requests) == asked


def test_one_worker_asks_for_all(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """Sixteen begin at once."""
    workers = 16
    begun = threading.Barrier(workers)
    target = hostile.url(behaviours.answer)
    auth = TargetAuth(FetchSettings(limits=LOOPBACK, **settings(endpoint.url(grants()))))
    outcomes: list[Outcome] = []

    def work(fetch: Fetcher) -> None:
        begun.wait(30)
        outcomes.append(fetch(target, auth="erp", timeout=30.0))

    threads = [threading.Thread(target=work, args=(make_fetcher(auth=auth),)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.OK] * workers
    assert len(endpoint.ledger.requests) == 1
    assert authorizations(hostile) == [f"Bearer {TOKEN}"] * workers


def closes(peer: Peer) -> None:
    peer.read()


def refuses(peer: Peer) -> None:
    while True:
        peer.read()
        peer.send(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")


def status_of(outcome: Outcome) -> int | None:
    return None if outcome.response is None else outcome.response.status


def endless(peer: Peer) -> None:
    peer.read()
    peer.send(behaviours.OK + b"\r\n")
    while True:
        peer.send(b" " * 65_536)


FAILURES: dict[str, tuple[Behaviour, str]] = {
    "refused": (behaviours.answers(401, b'{"error": "invalid_client"}'), "answered 401 (invalid_client)"),
    "down": (behaviours.answers(503, b"<html>"), "answered 503"),
    "odd error": (behaviours.answers(400, b'{"error": "<b>s3cret"}'), "answered 400;"),
    "no JSON": (behaviours.answers(200, b"hello"), "gave no bearer token"),
    "no object": (behaviours.answers(200, b"[1]"), "gave no bearer token"),
    "another kind": (grants(token_type="mac"), "gave no bearer token"),
    "no token": (grants(None), "gave no bearer token"),
    "no text": (grants(5), "gave no bearer token"),
    "a second header": (grants("x\r\nX-Evil: 1"), "gave a token that no header can hold"),
    "empty": (grants(""), "gave a token that no header can hold"),
    "no answer": (closes, "could not be asked"),
    "endless": (endless, "could not be asked"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_attempt_without_a_token_does_not_count(
    name: str,
    endpoint: Hostile,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says what is wrong, asks nobody, and is made again; so does the next one in the same few seconds."""
    behaviour, told = FAILURES[name]
    fetch = make_fetcher(**settings(endpoint.url(behaviour)))
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        outcome = fetch(hostile.url(behaviours.answer), auth="erp")
        assert outcome.kind is OutcomeKind.INTERRUPTED
        assert f"The token endpoint of the credential erp {told}" in (outcome.error or "")
        assert (outcome.counted, outcome.sent, outcome.of_host) == (False, False, False)
    assert (hostile.ledger.connections, endpoint.ledger.connections) == (0, 1)
    task = fetch.context(hostile.url(behaviours.answer), method="POST", auth="erp").task
    verdict = retry.decide(task, outcome, attempt=1, attempt_limit=1, now=datetime.now(UTC), random=0.0)
    assert (verdict.status, verdict.counted) == ("retrying", False)
    assert SECRET not in caplog.text + str(outcome)
    assert "s3cret" not in caplog.text + str(outcome)


def test_an_endpoint_that_cannot_be_reached(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """The reader of a task does not learn where it is."""
    outcome = make_fetcher(**settings("http://127.0.0.1:1/"))(hostile.url(behaviours.answer), auth="erp")

    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert "127.0.0.1" not in (outcome.error or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_gets_the_secret(
    status: int, endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    url = endpoint.url(behaviours.answers(status, b"", f"Location: {hostile.url(grants())}"))
    outcome = make_fetcher(**settings(url))(hostile.url(behaviours.answer), auth="erp")

    assert f"answered {status}" in (outcome.error or "")
    assert hostile.ledger.connections == 0


def test_an_endpoint_that_hangs_costs_no_more_than_the_attempt_has(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """One asks, all wait for that answer together, and no worker is written off."""
    auth = TargetAuth(FetchSettings(limits=LOOPBACK, **settings(endpoint.url(behaviours.t01_never_reads))))
    target, outcomes, together = hostile.url(behaviours.answer), list[Outcome](), threading.Barrier(4)

    def work(fetch: Fetcher) -> None:
        together.wait(60)
        outcomes.append(fetch(target, auth="erp", timeout=2.0))

    threads = [threading.Thread(target=work, args=(make_fetcher(auth=auth),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [outcome.counted for outcome in outcomes] == [False] * len(threads)
    assert endpoint.ledger.connections == 1
    assert hostile.ledger.connections == 0


def test_a_token_that_a_target_refuses_is_not_used_again(
    endpoint: Hostile,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have been revoked. A new one that is refused, too, is kept for a few seconds."""
    fetch = make_fetcher(**settings(endpoint.url(grants())))
    refusing = hostile.url(refuses)
    for _ in range(2):
        assert status_of(fetch(refusing, auth="erp")) == 401
    assert len(endpoint.ledger.requests) == 1
    monkeypatch.setattr(token_grants, "_FAILURE_KEPT", 0.0)
    assert status_of(fetch(refusing, auth="erp")) == 401
    assert status_of(fetch(hostile.url(behaviours.answer), auth="erp")) == 200
    assert len(endpoint.ledger.requests) == 2
    assert status_of(fetch(refusing)) == 401
    assert status_of(fetch(hostile.url(behaviours.answer), auth="erp")) == 200
    assert len(endpoint.ledger.requests) == 2


def test_a_host_that_gets_no_token_has_none_asked_for(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    fetch = make_fetcher(**settings(endpoint.url(grants()), hosts=("erp.example",)))

    assert fetch(hostile.url(behaviours.answer), auth="erp").kind is OutcomeKind.BLOCKED
    assert endpoint.ledger.connections == 0


def test_with_an_egress_proxy_nothing_else_is_dialled(
    endpoint: Hostile, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """Neither for the token nor for the target; nobody listens at either address."""
    port = int(endpoint.url(grants()).rpartition(":")[2].strip("/"))
    proxy_port = int(hostile.url(behaviours.leads_to(port)).rpartition(":")[2].strip("/"))
    proxy = EgressProxy(host="127.0.0.1", port=proxy_port)
    fetch = make_fetcher(proxy=proxy, **settings("http://127.0.0.1:1/token"))

    assert fetch("http://127.0.0.1:2/", auth="erp").kind is OutcomeKind.OK
    assert [seen.target for seen in hostile.ledger.requests] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert [seen.target for seen in endpoint.ledger.requests] == ["/token", "/"]
