"""The dialled address: told with each attempt that reached for one, and never of a refused target."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.task_limits import TaskLimits
from tests.system.fetch.conftest import Fetcher
from tests.system.fetch.test_redirects import redirecting
from tests.tools import behaviours
from tests.tools.hostile import Hostile


def test_an_answer_has_the_address_it_came_from(hostile: Hostile, fetch: Fetcher) -> None:
    """Also on a kept connection; after a redirect it is that of the last exchange."""
    url, elsewhere = hostile.url(behaviours.answer), hostile.url(behaviours.answer)
    for _ in range(2):
        assert fetch(url).address == urlsplit(url).netloc
    assert hostile.ledger.settings == 1
    assert fetch(hostile.url(redirecting(302, elsewhere))).address == urlsplit(elsewhere).netloc


def test_a_failed_dial_has_the_address_it_was_for(fetch: Fetcher) -> None:
    """And the time it took."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = fetch(f"http://{place}/")
    assert (outcome.kind, outcome.address) == (OutcomeKind.CONNECT_ERROR, place)
    assert outcome.timings is not None
    assert outcome.timings.total > 0


def test_a_timeout_has_its_times(hostile: Hostile, fetch: Fetcher) -> None:
    """How far it came can be seen."""
    url = hostile.url(behaviours.t01_never_reads)
    outcome = fetch(url, timeout=0.5)
    assert (outcome.kind, outcome.address) == (OutcomeKind.TIMEOUT, urlsplit(url).netloc)
    assert outcome.timings is not None
    assert 0 < outcome.timings.connect < outcome.timings.total


def test_a_refused_target_has_none(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """Neither an address nor times, which could tell what is there."""
    outcome = make_fetcher(limits=TaskLimits())(hostile.url(behaviours.answer))
    assert outcome.kind is OutcomeKind.BLOCKED
    assert (outcome.address, outcome.timings, outcome.response) == (None, None, None)
