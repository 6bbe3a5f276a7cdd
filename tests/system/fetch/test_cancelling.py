"""A cancelled attempt ends at once, whatever it is doing, and no other attempt ends with it."""

import threading
from collections.abc import Callable

import pytest

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.waiting import wait_for


def run_in_thread(fetch: Callable[[], Outcome]) -> tuple[threading.Thread, list[Outcome]]:
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(fetch()))
    thread.start()
    return thread, outcomes


@pytest.mark.parametrize(
    "behaviour",
    [
        behaviours.t01_never_reads,
        behaviours.t02_body_drip,
        behaviours.t04_header_drip,
        behaviours.t08_never_reads_the_body,
        behaviours.t11_endless_100,
        behaviours.t12_tiny_chunks,
        behaviours.t13_no_length_kept_open,
    ],
)
def test_a_cancelled_attempt_ends_at_once(
    behaviour: Behaviour, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """Whatever the attempt waits for, it ends long before its deadline."""
    fetch = make_fetcher(max_body_bytes=1 << 40)
    context = fetch.context(hostile.url(behaviour), timeout=60.0, method="POST", body="x" * 10_000_000)
    thread, outcomes = run_in_thread(lambda: fetch.handler.run(context))
    wait_for(lambda: hostile.ledger.connections == 1, "one connection")

    context.cancelled = True
    thread.join(10)

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.CANCELLED]
    assert fetch(hostile.url(behaviours.answer)).kind is OutcomeKind.OK


def test_a_cancel_ends_a_tls_handshake(hostile: Hostile, fetch: Fetcher) -> None:
    """It ends even before a byte of HTTP was exchanged."""
    url = hostile.url(behaviours.t05_no_server_hello).replace("http:", "https:")
    context = fetch.context(url, timeout=60.0)
    thread, outcomes = run_in_thread(lambda: fetch.handler.run(context))
    wait_for(lambda: hostile.ledger.connections == 1, "one connection")

    context.cancelled = True
    thread.join(10)

    assert outcomes[0].kind is OutcomeKind.CANCELLED


def test_a_cancel_on_a_reused_connection_is_not_answered_by_a_new_one(
    hostile: Hostile, fetch: Fetcher
) -> None:
    """libcurl would dial again when a kept connection breaks before the answer."""

    def once(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.read()
        peer.hold()

    url = hostile.url(once)
    fetch(url)
    context = fetch.context(url, timeout=60.0)
    thread, outcomes = run_in_thread(lambda: fetch.handler.run(context))
    wait_for(lambda: len(hostile.ledger.requests) == 2, "two requests")

    context.cancelled = True
    thread.join(10)

    assert outcomes[0].kind is OutcomeKind.CANCELLED
    assert hostile.ledger.connections == 1


def test_a_cancel_before_the_start_sends_nothing(hostile: Hostile, fetch: Fetcher) -> None:
    """The attempt was cancelled between the claim and the worker."""
    context = fetch.context(hostile.url(behaviours.answer))
    context.cancelled = True

    assert fetch.handler.run(context).kind is OutcomeKind.CANCELLED
    assert hostile.ledger.connections == 0


def test_a_cancel_does_not_touch_other_workers(
    hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The watch shuts down the sockets of the cancelled attempt only."""
    url = hostile.url(behaviours.t02_body_drip)
    first, second = make_fetcher(), make_fetcher()
    cancelled, other = first.context(url, timeout=60.0), second.context(url, timeout=60.0)
    first_thread, first_outcomes = run_in_thread(lambda: first.handler.run(cancelled))
    second_thread, second_outcomes = run_in_thread(lambda: second.handler.run(other))
    wait_for(lambda: hostile.ledger.connections == 2, "two connections")

    cancelled.cancelled = True
    first_thread.join(10)
    second_thread.join(10)

    assert first_outcomes[0].kind is OutcomeKind.CANCELLED
    assert second_outcomes[0].kind is OutcomeKind.OK
