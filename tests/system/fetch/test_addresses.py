"""The dialled address: part of each outcome that dialled one, and never of a refused target."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.system.fetch.conftest import Fetcher
from tests.system.fetch.test_redirects import redirecting
from tests.tools import behaviours
from tests.tools.hostile import Hostile


def test_an_answer_has_its_address(hostile: Hostile, fetch: Fetcher) -> None:
    """A kept connection has it too; after a redirect it is the address of the last exchange."""
    url, elsewhere = hostile.url(behaviours.answer), hostile.url(behaviours.answer)
    for _ in range(2):
        assert fetch(url).address == urlsplit(url).netloc
    assert hostile.ledger.connections == 1
    assert fetch(hostile.url(redirecting(302, elsewhere))).address == urlsplit(elsewhere).netloc


def test_a_failed_dial_has_its_address(fetch: Fetcher) -> None:
    """The time that it took is there too."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = fetch(f"http://{place}/")
    assert (outcome.kind, outcome.address) == (OutcomeKind.CONNECT_ERROR, place)
    assert outcome.timings is not None
    assert outcome.timings.total > 0


def test_a_timeout_has_timings(hostile: Hostile, fetch: Fetcher) -> None:
    """The timings show how far the attempt got."""
    url = hostile.url(behaviours.t01_never_reads)
    outcome = fetch(url, timeout=0.5)
    assert (outcome.kind, outcome.address) == (OutcomeKind.TIMEOUT, urlsplit(url).netloc)
    assert outcome.timings is not None
    assert 0 < outcome.timings.connect < outcome.timings.total


def test_a_refused_target_has_no_address(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """Address and timings could tell what is there."""
    outcome = make_fetcher(limits=TaskLimits())(hostile.url(behaviours.answer))
    assert outcome.kind is OutcomeKind.BLOCKED
    assert (outcome.address, outcome.timings, outcome.response) == (None, None, None)
