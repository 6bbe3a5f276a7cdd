"""HTTP/2: offered to targets over TLS, shown in the answer, and as strict as HTTP/1.1."""

import ssl
import threading
from collections.abc import Callable

import pytest
import trustme

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.network import Network
from tests.system.fetch.conftest import Fetcher, server_context
from tests.tools import behaviours, http2_behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.http2 import Http2Peer
from tests.tools.waiting import PATIENCE, wait_for


def http_version(fetch: Fetcher, url: str) -> str:
    outcome = fetch(url)
    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    return outcome.response.http_version


def test_a_target_that_speaks_http_2_gets_it(
    hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext
) -> None:
    """The whole request arrives, and the answer shows the HTTP version."""
    url = hostile.url(http2_behaviours.h2_echo, tls=tls_http2)

    outcome = fetch(f"{url}path?q=1", method="PUT", body="x" * 200_000, headers={"X-Mine": "yes"})

    assert outcome.response is not None
    assert (outcome.response.http_version, outcome.response.body) == ("2", b"200000")
    assert outcome.response.headers == ()
    seen = hostile.ledger.requests[0]
    assert (seen.method, seen.target, len(seen.body)) == ("PUT", "/path?q=1", 200_000)
    assert seen.header("x-mine") == "yes"
    assert seen.header("idempotency-key") == seen.header("taskrunner-task-id")


def test_the_target_chooses_the_version(hostile: Hostile, fetch: Fetcher, authority: trustme.CA) -> None:
    """HTTP/2 is only offered; a target without it gets HTTP/1.1."""
    old = server_context(authority, "127.0.0.1")
    old.set_alpn_protocols(["http/1.1"])

    assert http_version(fetch, hostile.url(behaviours.answer, tls=old)) == "1.1"


def test_http_2_can_be_turned_off(
    hostile: Hostile, make_fetcher: Callable[..., Fetcher], authority: trustme.CA
) -> None:
    """A target that knows both then gets HTTP/1.1."""
    both = server_context(authority, "127.0.0.1")
    both.set_alpn_protocols(["h2", "http/1.1"])

    assert http_version(make_fetcher(http2=False), hostile.url(behaviours.answer, tls=both)) == "1.1"


def test_without_tls_nothing_is_offered(hostile: Hostile, fetch: Fetcher) -> None:
    """We send no Upgrade and no HTTP2-Settings, which RFC 9113 removed."""
    assert http_version(fetch, hostile.url(behaviours.answer)) == "1.1"

    assert hostile.ledger.requests[0].header("upgrade") is None


def test_an_http_2_connection_is_used_again(
    hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext
) -> None:
    """Ten tasks for one host dial once."""
    url = hostile.url(http2_behaviours.answer, tls=tls_http2)

    for _ in range(10):
        assert http_version(fetch, url) == "2"

    assert hostile.ledger.connections == 1


def test_few_http_2_connections_are_kept(hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext) -> None:
    """A worker that has fetched from many hosts does not keep a socket to each."""
    released = threading.Semaphore(0)

    def keep(peer: Peer) -> None:
        talk = Http2Peer(peer)
        talk.answer(talk.read())
        try:
            talk.wait_for_close()
        except ConnectionError:
            released.release()

    for _ in range(12):
        assert http_version(fetch, hostile.url(keep, tls=tls_http2)) == "2"

    for _ in range(7):
        assert released.acquire(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("name", "kind", "timeout"),
    [
        ("h2_never_answers", OutcomeKind.TIMEOUT, 0.5),
        ("h2_stands_still", OutcomeKind.TIMEOUT, 0.5),
        ("h2_endless", OutcomeKind.TOO_LARGE, PATIENCE),
        ("h2_reset", OutcomeKind.PROTOCOL_ERROR, PATIENCE),
    ],
)
def test_an_http_2_connection_with_a_failed_stream_is_not_used_again(
    name: str,
    kind: OutcomeKind,
    timeout: float,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    tls_http2: ssl.SSLContext,
) -> None:
    """It may be dead, or still busy with an answer that nobody wants any more."""
    fetch = make_fetcher(max_body_bytes=100_000)
    url = hostile.url(getattr(http2_behaviours, name), tls=tls_http2)

    kinds = [fetch(url, timeout=timeout).kind for _ in range(2)]

    assert kinds == [kind] * 2
    wait_for(lambda: hostile.ledger.connections == 2, "a second connection")


def test_a_post_over_http_2_is_sent_once(hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext) -> None:
    """libcurl would send a refused stream five times more."""
    url = hostile.url(http2_behaviours.h2_refuses_streams, tls=tls_http2)

    outcome = fetch(url, method="POST")

    assert (outcome.kind, outcome.sent) == (OutcomeKind.CONNECT_ERROR, False)
    assert len(hostile.ledger.requests) == 1


def broken_or_http_1(behaviour: Behaviour) -> Behaviour:
    """Speaks HTTP/1.1 well, if the client offers only that."""

    def behave(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        (behaviour if peer.sock.selected_alpn_protocol() == "h2" else behaviours.answer)(peer)

    return behave


@pytest.mark.parametrize(
    ("name", "attempts"),
    [
        ("h2_http_1", 1),
        ("h2_garbage", 1),
        ("h2_bad_hpack", 1),
        ("h2_huge_frame", 1),
        ("h2_no_status", 1),
        ("h2_wants_http_1", 2),
        ("h2_refuses_streams", 2),
    ],
)
def test_a_host_whose_http_2_is_broken_is_asked_by_http_1(
    name: str,
    attempts: int,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    authority: trustme.CA,
) -> None:
    """Every worker of the process remembers it. A refusal counts when it comes twice."""
    both = server_context(authority, "127.0.0.1")
    both.set_alpn_protocols(["h2", "http/1.1"])
    url = hostile.url(broken_or_http_1(getattr(http2_behaviours, name)), tls=both)
    network = Network()
    first, second = make_fetcher(network=network), make_fetcher(network=network)

    for _ in range(attempts):
        assert first(url, method="POST").kind is not OutcomeKind.OK

    assert http_version(second, url) == "1.1"
    assert http_version(first, url) == "1.1"


def test_one_failed_request_does_not_make_a_host_broken(
    hostile: Hostile, fetch: Fetcher, authority: trustme.CA
) -> None:
    """A reset with INTERNAL_ERROR is about one request."""
    both = server_context(authority, "127.0.0.1")
    both.set_alpn_protocols(["h2", "http/1.1"])
    url = hostile.url(broken_or_http_1(http2_behaviours.h2_reset), tls=both)

    assert [fetch(url).kind for _ in range(3)] == [OutcomeKind.PROTOCOL_ERROR] * 3


@pytest.mark.parametrize(
    ("pattern", "version"), [("127.0.0.1", "1.1"), ("*", "1.1"), ("*.example.com", "2"), ("127.0.0.1:1", "2")]
)
def test_a_listed_host_is_not_offered_http_2(
    pattern: str,
    version: str,
    hostile: Hostile,
    make_fetcher: Callable[..., Fetcher],
    authority: trustme.CA,
) -> None:
    """`Fetch.http1_hosts` has patterns, as limits have."""
    both = server_context(authority, "127.0.0.1")
    both.set_alpn_protocols(["h2", "http/1.1"])
    url = hostile.url(broken_or_http_1(http2_behaviours.answer), tls=both)

    assert http_version(make_fetcher(http1_hosts=(pattern,)), url) == version


def test_a_cancelled_attempt_over_http_2_ends_at_once(
    hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext
) -> None:
    """It ends whatever the stream waits for."""
    url = hostile.url(http2_behaviours.h2_body_drip, tls=tls_http2)
    context = fetch.context(url, timeout=60.0)
    kinds: list[OutcomeKind] = []
    thread = threading.Thread(target=lambda: kinds.append(fetch.handler.run(context).kind))
    thread.start()
    wait_for(lambda: len(hostile.ledger.requests) == 1, "one request")

    context.cancelled = True

    thread.join(10)
    assert kinds == [OutcomeKind.CANCELLED]


def test_a_field_with_a_line_break_adds_no_header(
    hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext
) -> None:
    """HTTP/2 could carry one, and written out as HTTP/1.1 it would make two headers."""
    outcome = fetch(hostile.url(http2_behaviours.h2_line_break_in_value, tls=tls_http2))

    assert outcome.response is not None
    assert not any("set-cookie" in f"{name}{value}" for name, value in outcome.response.headers)
