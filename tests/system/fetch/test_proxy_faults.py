"""Faults of the egress proxy: bounded, reported, and not blamed on the target."""

import socket
from contextlib import suppress

import pytest
import trustme

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.settings import EgressProxy, FetchSettings
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.system.fetch.conftest import PROXY_PORT, Fetcher, Scene, server_context
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Peer


def answers(head: bytes) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(head + b"\r\n\r\n")

    return behaviour


def speaks_no_tls(peer: Peer) -> None:
    assert b"target" not in peer.sock.recv(65_536)
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def never_answers(peer: Peer) -> None:
    peer.read()
    peer.hold()


def closes(peer: Peer) -> None:
    peer.read()


def resets(peer: Peer) -> None:
    peer.read()
    peer.reset()


def floods(peer: Peer) -> None:
    peer.read()
    with suppress(OSError):
        peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.send(b"X-Flood: secret-banner\r\n" * 1000)


_NO_TUNNEL = "The egress proxy opened no tunnel to the target; it answered {}."
_AWAY = "The egress proxy cannot be reached, or closed the connection."


@pytest.mark.parametrize("name", ["elsewhere.internal", None])
def test_a_proxy_with_a_bad_certificate_gets_nothing(
    name: str | None, scene: Scene, authority: trustme.CA
) -> None:
    """With a certificate of another name or issuer it gets no credentials, and no word of the target."""
    issuer = trustme.CA() if name is None else authority
    tls = server_context(issuer, name or "proxy.internal")

    outcome = scene.through(closes, password="s3cret", tls=tls)("https://target.example/", method="POST")

    assert outcome.kind is OutcomeKind.CONNECT_ERROR
    assert outcome.error == "The egress proxy's certificate is not trusted."
    assert (outcome.sent, outcome.of_host, scene.asked) == (False, False, [])


def test_a_proxy_without_tls_is_no_https_proxy(scene: Scene, authority: trustme.CA) -> None:
    """It gets nothing in the clear."""
    fetch = scene.through(closes, tls=server_context(authority, "proxy.internal"))
    plain = int(scene.proxy.url(speaks_no_tls).rpartition(":")[2].strip("/"))
    scene.network.lead(PROXY_PORT, plain)

    outcome = fetch("http://target.example/")

    assert (outcome.kind, outcome.error, outcome.of_host) == (OutcomeKind.CONNECT_ERROR, _AWAY, False)
    assert scene.asked == []


@pytest.mark.parametrize(
    ("behaviour", "error", "of_host"),
    [
        (answers(b"HTTP/1.1 403 secret-banner\r\nContent-Length: 0"), _NO_TUNNEL.format(403), False),
        (answers(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0"), _NO_TUNNEL.format(502), True),
        (answers(b"HTTP/1.1 503 X\r\nContent-Length: 0"), _NO_TUNNEL.format(503), False),
        (answers(b"HTTP/1.1 504 X\r\nContent-Length: 0"), _NO_TUNNEL.format(504), True),
        (
            answers(
                b'HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm="secret-banner"\r\nContent-Length: 0'
            ),
            "The egress proxy does not accept our credentials (407).",
            False,
        ),
        (answers(b"secret-banner"), _AWAY, False),
        (closes, _AWAY, False),
        (resets, _AWAY, False),
        (floods, _AWAY, False),
    ],
)
@pytest.mark.parametrize("url", ["http://target.example/", "https://target.example/"])
def test_a_proxy_that_fails_is_a_connect_error(
    behaviour: Behaviour, error: str, of_host: bool, url: str, scene: Scene
) -> None:
    """Nothing was sent, so a POST may be retried, and the sentence names the proxy.

    The target is blamed only where the proxy blames it.
    """
    outcome = scene.through(behaviour, password="s3cret")(url, method="POST")

    assert (outcome.kind, outcome.error, outcome.sent) == (OutcomeKind.CONNECT_ERROR, error, False)
    assert outcome.of_host is of_host
    assert "secret-banner" not in repr(outcome)


def test_a_proxy_that_does_not_answer_is_a_timeout(scene: Scene) -> None:
    """The attempt ends at its timeout, and neither sentence nor circuit breaker blames the target."""
    outcome = scene.through(never_answers)("http://target.example/", timeout=0.5)

    assert (outcome.kind, outcome.of_host) == (OutcomeKind.TIMEOUT, False)
    assert (outcome.error or "").endswith("while waiting for the egress proxy.")


def test_a_proxy_without_an_address_is_a_connect_error(scene: Scene) -> None:
    """It is no dns_error, which would blame the target."""
    outcome = scene.through(closes, host="nowhere.internal")("http://target.example/")

    assert (outcome.kind, outcome.error, outcome.of_host) == (
        OutcomeKind.CONNECT_ERROR,
        "The name of the egress proxy could not be resolved.",
        False,
    )


def test_a_proxy_whose_look_up_hangs_is_a_connect_error(scene: Scene) -> None:
    """A resolver that hangs blames no target either."""
    fetch = scene.through(closes)
    scene.network.is_answering.clear()

    outcome = fetch("http://target.example/", timeout=0.3)

    scene.network.is_answering.set()
    assert (outcome.kind, outcome.of_host) == (OutcomeKind.CONNECT_ERROR, False)


def test_a_proxy_that_accepts_no_connection_is_a_timeout(watch: SocketWatch) -> None:
    """Its host is away, or its backlog of connections is full, as here."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(place)
        policy = FetchSettings(proxy=EgressProxy(host="127.0.0.1", port=place[1]), connect_timeout=0.3)
        handler = HttpHandler(policy, watch)

        outcome = Fetcher(handler)("http://93.184.216.34/")

        handler.close()
        for each in queued:
            each.close()
    assert (outcome.kind, outcome.of_host) == (OutcomeKind.TIMEOUT, False)


def test_a_proxy_that_does_not_listen_is_a_connect_error(watch: SocketWatch) -> None:
    """The proxy, given by address, may be on loopback; targets may not."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    policy = FetchSettings(proxy=EgressProxy(host="127.0.0.1", port=port))
    handler = HttpHandler(policy, watch)

    outcome = Fetcher(handler)("http://93.184.216.34/", method="POST")

    handler.close()
    assert (outcome.kind, outcome.error, outcome.sent) == (OutcomeKind.CONNECT_ERROR, _AWAY, False)
    assert not outcome.of_host


def test_a_fault_of_the_target_is_not_the_proxys(scene: Scene) -> None:
    """Through a tunnel it is reported as usual, also through one that is used again."""
    fetch = scene.to_target(behaviours.f21_takes_and_closes_reused)
    assert fetch("http://target.example/").kind is OutcomeKind.OK

    reset = scene.to_target(behaviours.f18_reset_before_reply)("http://target.example/")

    assert reset.kind is OutcomeKind.CONNECT_ERROR
    assert reset.error == "The connection was closed without an answer."
    assert reset.of_host
