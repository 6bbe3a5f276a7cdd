"""Connections: kept between attempts, and never trusted."""

import os
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.fetching import LOOPBACK
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.waiting import wait_for


def test_a_connection_is_used_again(hostile: Hostile, fetch: Fetcher) -> None:
    """Ten tasks for one host dial once."""
    url = hostile.url(behaviours.answer)

    for _ in range(10):
        assert fetch(url).kind is OutcomeKind.OK

    assert hostile.ledger.connections == 1


def test_few_connections_are_kept(hostile: Hostile, fetch: Fetcher) -> None:
    """A worker that has fetched from many hosts does not keep a socket to each."""
    before = len(os.listdir("/proc/self/fd"))
    released = threading.Semaphore(0)

    def keep(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()
        released.release()

    for _ in range(20):
        assert fetch(hostile.url(keep)).kind is OutcomeKind.OK

    for _ in range(15):
        assert released.acquire(timeout=5)
    assert len(os.listdir("/proc/self/fd")) - before < 20 + 2 * 5 + 5


@pytest.mark.parametrize(("bound", "pause"), [("_IDLE_SECONDS", 1.1), ("_LIFETIME_SECONDS", 0.1)])
def test_a_connection_is_not_kept_for_ever(
    bound: str,
    pause: float,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither its idle time, after which servers close it, nor its lifetime is exceeded."""
    monkeypatch.setattr(f"taskrunner.handlers.http.curl_handle.{bound}", 1)
    fetch, url = make_fetcher(), hostile.url(behaviours.answer)
    for _ in range(3):
        assert fetch(url).kind is OutcomeKind.OK
    assert hostile.ledger.connections == 1

    deadline = time.monotonic() + 10
    while hostile.ledger.connections == 1 and time.monotonic() < deadline:
        # Each request resets the idle time, so the pause must exceed it.
        time.sleep(pause)
        assert fetch(url).kind is OutcomeKind.OK

    assert hostile.ledger.connections == 2


def test_closing_a_handler_closes_its_sockets(hostile: Hostile, watch: SocketWatch) -> None:
    """A retired worker leaves no socket open."""
    gone = threading.Event()

    def keep(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()
        gone.set()

    handler = HttpHandler(FetchSettings(limits=LOOPBACK), watch)
    Fetcher(handler)(hostile.url(keep))
    handler.close()

    assert gone.wait(5)


def test_a_connection_that_closes_on_reuse_is_replaced(hostile: Hostile, fetch: Fetcher) -> None:
    """A server whose idle timeout fires just as we send must not cost the task an attempt."""
    url = hostile.url(behaviours.f21_closes_reused)

    assert [fetch(url).kind for _ in range(3)] == [OutcomeKind.OK] * 3
    assert hostile.ledger.connections == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_to_be_sent_once_gets_a_new_connection(
    method: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """If a kept connection closed just then, nobody could tell whether the target acted."""
    url = hostile.url(behaviours.f21_takes_and_closes_reused)

    for each in ("GET", method, method):
        outcome = fetch(url, method=each)
        assert outcome.kind is OutcomeKind.OK

    assert len(hostile.ledger.requests) == hostile.ledger.connections == 3


def test_new_connections_resume_an_earlier_tls_session(
    hostile: Hostile, fetch: Fetcher, tls: ssl.SSLContext
) -> None:
    """A POST, which gets a new connection, then needs only half a handshake."""
    resumed: list[bool] = []

    def note(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        resumed.append(bool(peer.sock.session_reused))
        behaviours.answer(peer)

    url = hostile.url(note, tls=tls)

    for _ in range(3):
        assert fetch(url, method="POST").kind is OutcomeKind.OK

    assert resumed == [False, True, True]


def test_a_post_is_sent_once(hostile: Hostile, fetch: Fetcher) -> None:
    """If the target takes it and closes the connection, the attempt ends."""
    outcome = fetch(hostile.url(behaviours.f18_reset_before_reply), method="POST")

    assert (outcome.kind, outcome.sent) == (OutcomeKind.CONNECT_ERROR, True)
    assert len(hostile.ledger.requests) == 1


def test_an_idempotent_request_is_sent_again_at_once(hostile: Hostile, fetch: Fetcher) -> None:
    """libcurl sends a PUT again on a new connection, within the attempt."""
    url = hostile.url(behaviours.f21_takes_and_closes_reused)

    assert [fetch(url, method="PUT").kind for _ in range(3)] == [OutcomeKind.OK] * 3


def test_a_post_with_retry_unsafe_reuses_a_connection(hostile: Hostile, fetch: Fetcher) -> None:
    """With `retry_unsafe`, a POST is treated like a GET."""
    url = hostile.url(behaviours.answer)

    for _ in range(5):
        assert fetch(url, method="POST", retry_unsafe=True).kind is OutcomeKind.OK

    assert hostile.ledger.connections == 1


@pytest.mark.parametrize("kind", [OutcomeKind.DNS_ERROR, OutcomeKind.CONNECT_ERROR, OutcomeKind.TLS_ERROR])
def test_an_attempt_that_sent_nothing_says_so(kind: OutcomeKind, hostile: Hostile, fetch: Fetcher) -> None:
    """The target cannot have acted, so even a POST may be retried."""
    with Hostile() as short_lived:
        closed = short_lived.url(behaviours.answer)

    def refuse(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    no_tls = hostile.url(refuse).replace("http:", "https:")
    urls = {
        OutcomeKind.DNS_ERROR: "http://no-such-host.invalid/",
        OutcomeKind.CONNECT_ERROR: closed,
        OutcomeKind.TLS_ERROR: no_tls,
    }

    outcome = fetch(urls[kind], method="POST")

    assert (outcome.kind, outcome.sent) == (kind, False)


def test_a_failed_redirect_does_not_hide_the_first_request(hostile: Hostile, fetch: Fetcher) -> None:
    """A POST that was answered with a redirect was sent, although the GET after it was not."""

    def lead_on_and_leave(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 303 X\r\nLocation: /end\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    outcome = fetch(hostile.url(lead_on_and_leave), method="POST")

    assert outcome.sent


@pytest.mark.parametrize("behaviour", [behaviours.b12_chunk_extension, behaviours.b12_cut_extension])
def test_a_connection_with_oversized_framing_is_not_used_again(
    behaviour: Behaviour, hostile: Hostile, fetch: Fetcher
) -> None:
    """A server that sends megabytes of framing gets no second request on the connection."""

    def stay(peer: Peer) -> None:
        behaviour(peer)
        peer.wait_for_close()

    url = hostile.url(stay)
    for _ in range(2):
        assert fetch(url, timeout=1.0).kind in {OutcomeKind.PROTOCOL_ERROR, OutcomeKind.TIMEOUT}

    assert hostile.ledger.connections == 2


def test_tiny_chunks_are_no_oversized_framing(hostile: Hostile, fetch: Fetcher, tls: ssl.SSLContext) -> None:
    """A target may write one byte at a time, each in its own TLS record, in answer after answer."""

    def tiny(peer: Peer) -> None:
        while True:
            peer.read()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3000):
                peer.send(b"1\r\nx\r\n")
            peer.send(b"0\r\n\r\n")

    for url in (hostile.url(tiny), hostile.url(tiny, tls=tls)):
        assert [fetch(url).kind for _ in range(3)] == [OutcomeKind.OK] * 3
    assert hostile.ledger.connections == 2


def test_an_unsolicited_answer_is_not_used(hostile: Hostile, fetch: Fetcher) -> None:
    """A second answer on the connection must not be taken for the next task's."""
    url = hostile.url(behaviours.f22_two_answers)

    bodies = [outcome.response.body for outcome in (fetch(url) for _ in range(3)) if outcome.response]

    assert bodies == [b"hello"] * 3
    assert hostile.ledger.connections == 3


@pytest.mark.parametrize(
    "name",
    ["t02_body_drip", "f01_short_body", "f02_long_body", "f05_length_and_chunked", "b10_many_headers"],
)
def test_a_connection_with_a_doubtful_answer_is_not_used_again(
    name: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """After a truncated or badly framed answer nobody knows where the next one begins."""
    url = hostile.url(getattr(behaviours, name))

    fetch(url, timeout=0.5)
    fetch(url, timeout=0.5)

    # The server may count the second one a moment later.
    wait_for(lambda: hostile.ledger.connections == 2, "a second connection")


def test_a_port_where_nobody_listens_is_a_connect_error(hostile: Hostile, fetch: Fetcher) -> None:
    """It is retryable: the target may be restarting."""
    with Hostile() as short_lived:
        url = short_lived.url(behaviours.answer)

    outcome = fetch(url)

    assert (outcome.kind, outcome.retryable) == (OutcomeKind.CONNECT_ERROR, None)


def test_a_name_that_does_not_exist_is_a_dns_error(fetch: Fetcher) -> None:
    """RFC 6761 reserves the name `invalid`, so it never exists."""
    outcome = fetch("http://no-such-host.invalid/")

    assert outcome.kind is OutcomeKind.DNS_ERROR


def test_a_bug_of_ours_is_an_outcome_too(
    hostile: Hostile, fetch: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker's thread survives a bug; the log says where it is, and holds nothing of the task."""
    url = hostile.url(behaviours.answer)

    outcome = fetch(url + "?secret", timeout=float("nan"))

    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, True)
    assert outcome.error == "taskrunner failed internally (ValueError)."
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
    assert fetch(url).kind is OutcomeKind.OK
