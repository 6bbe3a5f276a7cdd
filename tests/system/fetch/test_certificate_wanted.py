"""A target that wants a client certificate, and the moments at which it can end the connection.

With TLS 1.3 the client has completed the handshake when the target refuses it, and sends the request at once
(RFC 8446 sections 2 and 4.4.2.4). Only an alert, or a request of which nothing was written, is certain.
"""

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from taskrunner.domain.retries.retry import is_retryable, is_unknown
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.handlers.http.fetch_engine import FetchEngine
from tests.system.fetch.conftest import Fetcher, server_context
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.waiting import PATIENCE

# Records of a client without a certificate: its empty certificate, the end of its handshake, its request.
RECORDS_WITH_REQUEST = 3
APPLICATION_DATA = 23
TLS, CONNECT = OutcomeKind.TLS_ERROR, OutcomeKind.CONNECT_ERROR


@dataclass(frozen=True)
class End:
    """How the target ends the connection. `late`: once the request has arrived; else before it is written."""

    words: str
    late: bool

    def __str__(self) -> str:
        return f"{self.words} {'after' if self.late else 'before'} the request"


@pytest.fixture
def refused() -> threading.Event:
    """Set once the target has ended the connection."""
    return threading.Event()


@pytest.fixture
def pausing(monkeypatch: pytest.MonkeyPatch, refused: threading.Event) -> None:
    """libcurl asks before it writes the request: there the client waits for the target."""
    go_on = FetchEngine._on_sending

    def wait(engine: FetchEngine, *facts: object) -> int:
        assert refused.wait(PATIENCE)
        return go_on(engine, *facts)

    monkeypatch.setattr(FetchEngine, "_on_sending", wait)


def wants_a_certificate(context: ssl.SSLContext, end: End, refused: threading.Event) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        with suppress(ssl.SSLWantReadError):
            incoming.write(peer.sock.recv(65_536))
            tls.do_handshake()
        peer.send(outgoing.read())
        received = b""
        while end.late and records(received) < RECORDS_WITH_REQUEST:
            received += peer.sock.recv(65_536)
        incoming.write(received or peer.sock.recv(65_536))
        with suppress(ssl.SSLError):
            tls.do_handshake()
        alert = outgoing.read()
        assert alert
        peer.send({"alert": alert, "half": alert[:7]}.get(end.words.split(",")[0], b""))
        if end.words.endswith("reset"):
            peer.reset()
        else:
            peer.sock.close()
        refused.set()

    return behaviour


def records(data: bytes) -> int:
    """How many encrypted records have begun in `data`."""
    count = position = 0
    while len(data) >= position + 5:
        count += data[position] == APPLICATION_DATA
        position += 5 + int.from_bytes(data[position + 3 : position + 5], "big")
    return count


@pytest.fixture
def fetch_from(hostile: Hostile, fetch: Fetcher, authority: trustme.CA, refused: threading.Event) -> Any:
    def fetch_from(end: End, version: str, **fields: Any) -> Outcome:
        context = server_context(authority, "127.0.0.1")
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols([version])
        if end.late:
            refused.set()
        url = hostile.url(wants_a_certificate(context, end, refused)).replace("http:", "https:")
        given = fetch.context(url, **{"method": "POST", "body": "x", **fields})
        outcome = fetch.handler.run(given)
        assert is_unknown(given.task, outcome) is (outcome.sent and given.task.method == "POST")
        return outcome

    return fetch_from


FetchFrom = Callable[..., Outcome]


@pytest.mark.usefixtures("pausing")
@pytest.mark.parametrize("version", ["http/1.1", "h2"])
@pytest.mark.parametrize(
    ("end", "kind", "sent"),
    [
        (End("alert, close", True), TLS, False),
        (End("alert, reset", True), TLS, False),
        (End("half, close", True), CONNECT, True),
        (End("half, reset", True), CONNECT, True),
        (End("close", True), CONNECT, True),
        (End("reset", True), CONNECT, True),
        (End("alert, close", False), TLS, False),
        (End("alert, reset", False), CONNECT, False),
        (End("half, reset", False), CONNECT, False),
        (End("close", False), CONNECT, True),
        (End("reset", False), CONNECT, False),
    ],
    ids=str,
)
def test_a_refused_certificate(
    end: End, kind: OutcomeKind, sent: bool, version: str, fetch_from: FetchFrom
) -> None:
    """Certain with an alert, and after a reset before the first write; anything else is unknown."""
    outcome = fetch_from(end, version)

    assert (outcome.kind, outcome.sent) == (kind, sent)
    assert is_retryable(outcome)
    assert sent or "require" in str(outcome.error)
    assert sent or "client certificate (Fetch.tls)" in str(outcome.error)


@pytest.mark.usefixtures("pausing")
@pytest.mark.parametrize("version", ["http/1.1", "h2"])
@pytest.mark.parametrize(("size", "sent"), [(0, False), (10_000, False), (20_000, True), (2_000_000, True)])
def test_a_request_of_several_records_may_have_been_written_in_part(
    size: int, sent: bool, version: str, fetch_from: FetchFrom
) -> None:
    """libcurl counts what it was given, not what went out."""
    assert fetch_from(End("reset", False), version, body="x" * size).sent is sent


@pytest.mark.usefixtures("pausing")
def test_a_reset_before_the_first_write_without_tls(
    hostile: Hostile, fetch: Fetcher, refused: threading.Event
) -> None:
    """The same rule: nothing has left this machine."""

    def resets(peer: Peer) -> None:
        peer.reset()
        refused.set()

    outcome = fetch(hostile.url(resets), method="POST", body="x")

    assert (outcome.kind, outcome.sent) == (CONNECT, False)


def test_a_reset_after_the_request_without_tls_is_unknown(hostile: Hostile, fetch: Fetcher) -> None:
    """The target may have acted on it."""

    def resets(peer: Peer) -> None:
        peer.read()
        peer.reset()

    outcome = fetch(hostile.url(resets), method="POST", body="x")

    assert (outcome.kind, outcome.sent) == (CONNECT, True)


@pytest.mark.parametrize("version", ["http/1.1", "h2"])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_whoever_wins_the_race(
    method: str, version: str, hostile: Hostile, fetch: Fetcher, authority: trustme.CA
) -> None:
    """A target that closes at once refuses a request in both ways, and never makes it unknown."""
    context = server_context(authority, "127.0.0.1")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([version])
    url = hostile.url(lambda _: None, tls=context)

    outcomes = [fetch(url, method=method, body=None if method == "GET" else "x") for _ in range(12)]

    assert {each.kind for each in outcomes} <= {TLS, CONNECT}
    assert [each.sent for each in outcomes] == [False] * 12
