"""Timeouts: each ends the attempt, and the error says what we waited for."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.waiting import PATIENCE, in_more_time


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose backlog is full: the kernel drops every further SYN."""
    with socket.socket() as listener, ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.parametrize(("connect_timeout", "timeout"), [(0.3, 30.0), (30.0, 0.3)])
def test_a_connection_that_is_not_answered_times_out(
    connect_timeout: float, timeout: float, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The shorter of the two timeouts applies, and the error says where the attempt hung."""
    with deaf_port() as port:
        outcome = make_fetcher(connect_timeout=connect_timeout)(f"http://127.0.0.1:{port}/", timeout=timeout)

    assert outcome.kind is OutcomeKind.TIMEOUT
    assert outcome.error is not None
    assert outcome.error.endswith("while connecting.")
    assert "after 30" not in outcome.error


@pytest.mark.parametrize(
    ("behaviour", "phase"),
    [
        (behaviours.t01_never_reads, "waiting for the answer"),
        (behaviours.t02_body_drip, "reading the answer"),
        (behaviours.t04_header_drip, "waiting for the answer"),
    ],
)
def test_a_timeout_says_what_it_waited_for(
    behaviour: Behaviour, phase: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """The error tells whether to look at the network, the server, or the size of the answer."""
    error = in_more_time(
        lambda limit: fetch(hostile.url(behaviour), timeout=limit).error or "",
        lambda error: error.endswith(f" while {phase}."),
        first=1.0,
    )

    assert error.endswith(f" while {phase}.")


def test_a_timeout_in_the_handshake_says_so(hostile: Hostile, fetch: Fetcher) -> None:
    """The handshake is a phase of its own."""
    url = hostile.url(behaviours.t05_no_server_hello).replace("http:", "https:")

    error = in_more_time(
        lambda limit: fetch(url, timeout=limit).error or "",
        lambda error: error.endswith("in the TLS handshake."),
        first=0.3,
    )

    assert error.endswith("in the TLS handshake.")


@pytest.mark.parametrize(
    ("behaviour", "phase"),
    [
        (behaviours.t01_never_reads, "waiting for the answer"),
        (behaviours.t13_no_length_kept_open, "reading the answer"),
        (behaviours.t14_stands_still, "reading the answer"),
        (behaviours.b12_endless_extension, "reading the answer"),
    ],
)
def test_an_answer_that_stalls_is_a_timeout(
    behaviour: Behaviour, phase: str, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The error names the limit that ended it, not the attempt's timeout. Framing bytes are no progress."""

    def stall(limit: float) -> tuple[str, OutcomeKind]:
        fetch = make_fetcher(first_byte_timeout=limit, idle_timeout=limit)
        outcome = fetch(hostile.url(behaviour), timeout=PATIENCE)
        assert outcome.kind is OutcomeKind.TIMEOUT
        assert f": received nothing for {limit:g} s while " in str(outcome.error)
        return str(outcome.error), fetch(hostile.url(behaviours.answer)).kind

    error, after = in_more_time(
        stall, lambda found: found[0].endswith(f" {phase}.") and found[1] is OutcomeKind.OK, first=0.3
    )

    assert error.endswith(f" while {phase}.")
    assert after is OutcomeKind.OK


def test_a_slow_answer_is_no_timeout(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """One byte now and then is enough."""

    def drip_for(limit: float) -> OutcomeKind:
        def drip(peer: Peer) -> None:
            peer.read()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            peer.drip(b"x" * 6, limit / 4)

        fetch = make_fetcher(first_byte_timeout=limit, idle_timeout=limit)
        return fetch(hostile.url(drip), timeout=PATIENCE).kind

    assert in_more_time(drip_for, lambda kind: kind is OutcomeKind.OK, first=0.9) is OutcomeKind.OK
