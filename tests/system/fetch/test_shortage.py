"""Shortages of this machine are not charged to the target."""

import asyncio
import errno
import socket
import ssl
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.codec import Decoder
from taskrunner.domain.hosts.host_settings import HostSignal, host_signal
from taskrunner.domain.retries.retry import decide
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.settings import FetchSettings, TrustStore
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.tools import behaviours
from tests.tools.fetching import LOOPBACK, make_task
from tests.tools.hostile import Hostile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMED = "http://localhost.test/"


def run(network: Network, url: str, **settings: Any) -> Outcome:
    handler = HttpHandler(FetchSettings(limits=LOOPBACK, **settings), SocketWatch(), network)
    try:
        return handler.run(AttemptContext(task=make_task(url), number=1))
    finally:
        handler.close()


def assert_not_charged(outcome: Outcome, words: str) -> None:
    task = make_task("http://h.test/", method="POST")
    assert (outcome.kind, outcome.counted, outcome.shortage) == (OutcomeKind.INTERRUPTED, False, True)
    assert words in str(outcome.error)
    assert host_signal(task, outcome) is HostSignal.NOTHING
    pauses = []
    for uncounted in (0, 1, 5, 5_000):
        limit = task.max_attempts + uncounted
        verdict = decide(task, outcome, attempt=limit, attempt_limit=limit, now=NOW, random=0.0)
        assert (verdict.status, verdict.counted) == (Status.RETRYING, False)
        assert verdict.due is not None
        pauses.append((verdict.due - NOW).total_seconds())
    assert pauses == [5, 10, 160, 160]


@pytest.mark.parametrize("left", range(10))
def test_too_few_descriptors_are_ours(left: int, hostile: Hostile) -> None:
    """`ulimit -n 64`: whichever step of a fetch meets the limit; with enough left, the target answers."""

    async def fetch() -> bytes:
        command = (
            sys.executable,
            "-m",
            "tests.tools.few_descriptors",
            hostile.url(behaviours.answer),
            str(left),
        )
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        written, _ = await asyncio.wait_for(process.communicate(), 30)
        return written

    outcome = Decoder(Outcome).decode(asyncio.run(fetch()))

    if outcome.kind is not OutcomeKind.OK:
        assert_not_charged(outcome, "file descriptors left (ulimit -n)")
    assert 0 < left < 9 or (outcome.kind is OutcomeKind.OK) is (left == 9)


class FailingNetwork(Network):
    """Raises `error` where the system is asked: in the resolver, or for a new socket."""

    def __init__(self, error: BaseException, *, at: str) -> None:
        super().__init__()
        self.error, self.at = error, at

    def resolve(self, host: str) -> list[str]:
        if self.at == "resolve":
            raise self.error
        return ["127.0.0.1"]

    def open_socket(self, address: Any) -> socket.socket:
        if self.at == "open":
            raise self.error
        return super().open_socket(address)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), "memory"),
        (socket.gaierror(socket.EAI_SYSTEM, "System error"), "resolver"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.ENFILE, "Too many open files in system"), "fs.file-max"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (MemoryError(), "memory"),
    ],
    ids=repr,
)
def test_a_resolver_without_means_is_ours(error: BaseException, words: str) -> None:
    """getaddrinfo(3): these are about this machine, the name may be fine."""
    network = FailingNetwork(error, at="resolve")

    assert_not_charged(run(network, NAMED), words)
    assert_not_charged(run(network, NAMED), words)


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_NODATA])
def test_a_name_that_is_not_found_is_the_targets(code: int) -> None:
    """As long as this machine has descriptors to ask with."""
    outcome = run(FailingNetwork(socket.gaierror(code, "x"), at="resolve"), NAMED)

    assert (outcome.kind, outcome.counted) == (OutcomeKind.DNS_ERROR, True)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fs.file-max"),
        (errno.ENOBUFS, "memory"),
        (errno.ENOMEM, "memory"),
    ],
)
def test_a_socket_that_cannot_be_made_is_ours(number: int, words: str, hostile: Hostile) -> None:
    """Nothing was dialled."""
    network = FailingNetwork(OSError(number, "x"), at="open")

    assert_not_charged(run(network, hostile.url(behaviours.answer)), words)


def test_an_address_family_that_is_missing_is_no_shortage(hostile: Hostile) -> None:
    """A machine without IPv6 lacks nothing that will come back."""
    outcome = run(FailingNetwork(OSError(errno.EAFNOSUPPORT, "x"), at="open"), hostile.url(behaviours.answer))

    assert (outcome.kind, outcome.counted) == (OutcomeKind.CONNECT_ERROR, True)


def test_a_trust_store_that_cannot_be_read_is_ours(hostile: Hostile, tls: ssl.SSLContext) -> None:
    """It could be read when the process started."""
    outcome = run(Network(), hostile.url(behaviours.answer, tls=tls), trust=TrustStore(file="/nowhere.pem"))

    assert_not_charged(outcome, "trusted certificates")


def test_a_thread_that_cannot_start_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt looks the name up again: no look-up is left that never ends."""
    network = FailingNetwork(socket.gaierror(socket.EAI_NONAME, "x"), at="resolve")

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert_not_charged(run(network, NAMED), "thread")
    assert run(network, NAMED).kind is OutcomeKind.DNS_ERROR


@pytest.mark.parametrize(("is_short", "connections"), [(False, 1), (True, 3)])
def test_what_others_lack_is_not_kept_for_the_next_attempt(
    is_short: bool, connections: int, hostile: Hostile
) -> None:
    """While some attempt meets a shortage, every worker closes its connections after each attempt."""
    network = Network()
    handler = HttpHandler(FetchSettings(limits=LOOPBACK), SocketWatch(), network)
    url = hostile.url(behaviours.answer)
    if is_short:
        network.note_shortage()
    try:
        for number in range(1, 4):
            outcome = handler.run(AttemptContext(task=make_task(url), number=number))
            assert outcome.kind is OutcomeKind.OK
    finally:
        handler.close()
    assert hostile.ledger.connections == connections
