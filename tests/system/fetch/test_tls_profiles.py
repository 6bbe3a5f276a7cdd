"""TLS profiles: who gets a certificate, whom we trust, and no connection that two profiles share."""

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from taskrunner.domain.retries.retry import is_retryable
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.targets.tls_profile import TlsProfile
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.http.system_trust import find_system_trust
from tests.system.fetch.conftest import Fetcher, server_context
from tests.tools.hostile import Behaviour, Hostile, Peer

MakeFetcher = Callable[..., Fetcher]


def names_the_client(seen: list[str]) -> Behaviour:
    """Answers, and records the client certificate of each connection."""

    def behaviour(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.read()
        certificate: Any = peer.sock.getpeercert() or {}
        seen.append(dict(certificate.get("subjectAltName", ())).get("DNS", ""))
        while True:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            peer.read()

    return behaviour


@pytest.fixture
def profiles(authority: trustme.CA, tmp_path: Path) -> dict[str, TlsProfile]:
    """Two client certificates of the server's authority, and a profile with trust alone."""
    made = {"trust": TlsProfile(ca_file=str(tmp_path / "ca.pem"))}
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("first", "second"):
        path = str(tmp_path / f"{name}.pem")
        authority.issue_cert(f"{name}.client").private_key_and_cert_chain_pem.write_to_path(path)
        made[name] = TlsProfile(ca_file=str(tmp_path / "ca.pem"), cert_file=path)
    return made


@pytest.fixture
def make(make_fetcher: MakeFetcher, profiles: dict[str, TlsProfile]) -> MakeFetcher:
    """A fetcher with the profiles, some with hosts. Without a profile it does not trust the server."""

    def make(**hosts: str) -> Fetcher:
        known = {name: (hosts[name],) if name in hosts else () for name in profiles}
        limits = TaskLimits(ssrf_policy=SsrfPolicy(allow_loopback=True), tls_profiles=known)
        return make_fetcher(tls=profiles, limits=limits, trust=find_system_trust())

    return make


@pytest.fixture
def asking(authority: trustme.CA) -> ssl.SSLContext:
    """For a server that asks for a certificate and goes on without one."""
    context = server_context(authority, "localhost", "127.0.0.1")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.mark.parametrize(("name", "client"), [("trust", ""), ("first", "first.client")])
def test_a_profile_brings_trust_and_certificate(
    name: str, client: str, hostile: Hostile, make: MakeFetcher, asking: ssl.SSLContext
) -> None:
    """A profile may have trust alone."""
    seen: list[str] = []

    outcome = make()(hostile.url(names_the_client(seen), tls=asking), tls=name)

    assert outcome.kind is OutcomeKind.OK
    assert seen == [client]


def test_the_trust_of_a_profile_is_for_it_alone(
    hostile: Hostile, make: MakeFetcher, asking: ssl.SSLContext
) -> None:
    """Without the profile the same server is not trusted, before and after."""
    fetch = make()
    url = hostile.url(names_the_client([]), tls=asking)

    kinds = [fetch(url, tls=name).kind for name in (None, "first", None)]

    assert kinds == [OutcomeKind.TLS_ERROR, OutcomeKind.OK, OutcomeKind.TLS_ERROR]


def test_no_connection_is_shared_by_two_profiles(
    hostile: Hostile, make: MakeFetcher, asking: ssl.SSLContext
) -> None:
    """Each profile reuses its own connection, even after another profile's."""
    fetch, seen = make(), list[str]()
    url = hostile.url(names_the_client(seen), tls=asking)

    for name in ("first", "second", "trust", "first", "second", "trust"):
        assert fetch(url, tls=name).kind is OutcomeKind.OK

    assert seen == ["first.client", "second.client", ""]
    assert hostile.ledger.connections == 3


def test_a_host_gets_its_profile(hostile: Hostile, make: MakeFetcher, asking: ssl.SSLContext) -> None:
    """Another host does not get it."""
    fetch, seen = make(first="localhost", second="127.0.0.1"), list[str]()

    for host in ("localhost", "127.0.0.1"):
        assert fetch(hostile.url(names_the_client(seen), tls=asking, host=host)).kind is OutcomeKind.OK

    assert seen == ["first.client", "second.client"]


@pytest.mark.parametrize(("scheme", "name"), [("https", "first"), ("http", "trust")])
def test_a_profile_that_does_not_fit_is_blocked(
    scheme: str, name: str, hostile: Hostile, make: MakeFetcher
) -> None:
    """Intake refuses such a task, but an envelope can arrive without intake."""
    outcome = make(first="elsewhere.example")(f"{scheme}://127.0.0.1:1/", tls=name)

    assert (outcome.kind, outcome.sent) == (OutcomeKind.BLOCKED, False)


def test_a_profile_that_this_consumer_lacks_interrupts_the_attempt(fetch: Fetcher) -> None:
    """The fault is ours: the consumers are configured differently."""
    outcome = fetch("https://127.0.0.1:1/", tls="first")

    assert (outcome.kind, outcome.sent) == (OutcomeKind.INTERRUPTED, False)
    assert outcome.error == "This consumer has no TLS profile of the name that the task gives."


def redirects_to(url: str) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())
        peer.wait_for_close()

    return behaviour


@pytest.mark.parametrize(
    ("hosts", "kind", "client"),
    [
        ({}, OutcomeKind.TLS_ERROR, []),
        ({"second": "localhost"}, OutcomeKind.OK, ["second.client"]),
    ],
)
def test_a_named_profile_does_not_go_to_another_origin(
    hosts: dict[str, Any],
    kind: OutcomeKind,
    client: list[str],
    hostile: Hostile,
    make: MakeFetcher,
    asking: ssl.SSLContext,
) -> None:
    """The other origin gets the profile of its own host, if it has one."""
    seen: list[str] = []
    there = hostile.url(names_the_client(seen), tls=asking, host="localhost")

    outcome = make(**hosts)(hostile.url(redirects_to(there), tls=asking), tls="first")

    assert outcome.kind is kind
    assert seen == client


def refuses(context: ssl.SSLContext) -> Behaviour:
    """Ends the handshake, then reads what the client still sends: a reset would overtake the alert."""

    def behaviour(peer: Peer) -> None:
        with (
            socket.socket(fileno=os.dup(peer.sock.fileno())) as raw,
            context.wrap_socket(peer.sock, server_side=True, do_handshake_on_connect=False) as tls,
        ):
            with suppress(ssl.SSLError):
                tls.do_handshake()
            while raw.recv(65_536):
                pass

    return behaviour


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_refused_client_certificate_is_a_tls_error(
    version: ssl.TLSVersion, hostile: Hostile, make: MakeFetcher, authority: trustme.CA
) -> None:
    """Two attempts are made, as with a bad certificate of the target's. The target has not acted on the
    request.
    """
    context = server_context(authority, "127.0.0.1")
    context.minimum_version = context.maximum_version = version
    trustme.CA().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    url = hostile.url(refuses(context)).replace("http:", "https:")

    outcomes = [make()(url, tls="first", number=number, method="POST") for number in (1, 2)]

    assert [each.kind for each in outcomes] == [OutcomeKind.TLS_ERROR] * 2
    assert [is_retryable(each) for each in outcomes] == [True, False]
    assert (
        outcomes[0].error == "The target requires a client certificate (Fetch.tls), or does not accept ours."
    )
    assert not any(each.sent for each in outcomes)
    assert hostile.ledger.requests == []


def test_a_missing_certificate_file_is_not_charged_to_the_target(
    hostile: Hostile, make: MakeFetcher, asking: ssl.SSLContext, profiles: dict[str, TlsProfile]
) -> None:
    """It existed when we started, and a renewal may be about to put it back."""
    Path(profiles["first"].cert_file or "").unlink()

    outcome = make()(hostile.url(names_the_client([]), tls=asking), tls="first")

    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert "certificate or key of the TLS profile" in str(outcome.error)


def test_few_engines_are_kept(
    hostile: Hostile, make_fetcher: MakeFetcher, profiles: dict[str, TlsProfile], asking: ssl.SSLContext
) -> None:
    """A worker that has used many profiles does not keep connections for each."""
    many = {f"p{number}": profiles["first"] for number in range(10)}
    fetch = make_fetcher(
        tls=many,
        limits=TaskLimits(ssrf_policy=SsrfPolicy(allow_loopback=True), tls_profiles=dict.fromkeys(many, ())),
    )
    url = hostile.url(names_the_client([]), tls=asking)

    for name in (*many, "p9", "p8", "p7", "p6"):
        assert fetch(url, tls=name).kind is OutcomeKind.OK
    assert hostile.ledger.connections == 10

    assert fetch(url, tls="p0").kind is OutcomeKind.OK
    assert hostile.ledger.connections == 11
