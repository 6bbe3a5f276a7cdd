"""Certificates: the error says what is wrong with one, and a second attempt is the last."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from taskrunner.domain.retries.retry import is_retryable
from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Peer

MakeContext = Callable[[trustme.CA], ssl.SSLContext]


def context(cert: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    cert.configure_cert(made)
    return made


def expired(ca: trustme.CA) -> ssl.SSLContext:
    return context(ca.issue_cert("localhost", not_after=datetime.now(UTC) - timedelta(days=1)))


def not_yet_valid(ca: trustme.CA) -> ssl.SSLContext:
    return context(ca.issue_cert("localhost", not_before=datetime.now(UTC) + timedelta(days=1)))


def for_another_name(ca: trustme.CA) -> ssl.SSLContext:
    return context(ca.issue_cert("elsewhere.example"))


def unknown_issuer(ca: trustme.CA) -> ssl.SSLContext:
    return context(trustme.CA().issue_cert("localhost"))


def test_a_trusted_certificate_is_accepted(hostile: Hostile, fetch: Fetcher, tls: ssl.SSLContext) -> None:
    """The certificate must be valid for the name in the URL."""
    outcome = fetch(hostile.url(behaviours.answer, tls=tls, host="localhost"))

    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    times = outcome.response.timings
    assert 0 <= times.dns <= times.connect < times.tls < times.first_byte <= times.total


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (expired, "it has expired"),
        (not_yet_valid, "it is not yet valid"),
        (for_another_name, "it is for another host name"),
        (unknown_issuer, "its issuer is not trusted"),
    ],
)
def test_a_bad_certificate_is_reported_and_retried_once(
    make: MakeContext, reason: str, hostile: Hostile, fetch: Fetcher, authority: trustme.CA
) -> None:
    """The sentence is ours, the second attempt the last, and no request was sent."""
    url = hostile.url(behaviours.answer, tls=make(authority), host="localhost")

    first, second = fetch(url, number=1), fetch(url, number=2)

    assert first.kind is second.kind is OutcomeKind.TLS_ERROR
    assert reason in (first.error or "")
    assert (is_retryable(first), is_retryable(second)) == (True, False)
    assert hostile.ledger.requests == []


def test_plain_http_on_the_tls_port_is_a_tls_error(hostile: Hostile, fetch: Fetcher) -> None:
    """It will not change soon, so two attempts are enough."""

    def plain(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    url = hostile.url(plain).replace("http:", "https:")

    outcomes = [fetch(url, number=number) for number in (1, 2)]

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.TLS_ERROR] * 2
    assert [is_retryable(outcome) for outcome in outcomes] == [True, False]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_lost_in_the_handshake_is_retried(how: str, hostile: Hostile, fetch: Fetcher) -> None:
    """This says nothing about the certificate, so the task has all its attempts."""

    def leave(peer: Peer) -> None:
        peer.sock.recv(65_536)
        if how == "reset":
            peer.reset()

    outcome = fetch(hostile.url(leave).replace("http:", "https:"), number=4)

    assert outcome.kind is OutcomeKind.TLS_ERROR
    assert is_retryable(outcome)
