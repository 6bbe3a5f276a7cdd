"""Conditional requests: an unchanged answer is a success, and validators go to their own URL only."""

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Validators
from taskrunner.domain.value import replace
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer

VALIDATORS = Validators(url="", etag='"a"', last_modified="Thu, 01 Jan 2026 00:00:00 GMT", task_id="earlier")


def not_modified(peer: Peer) -> None:
    peer.read()
    peer.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    peer.wait_for_close()


def redirects_to(url: str) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())
        peer.wait_for_close()

    return behaviour


def test_an_unchanged_answer_is_a_success(hostile: Hostile, fetch: Fetcher) -> None:
    """Both validators are sent as given, and the answer is marked as unchanged."""
    url = hostile.url(not_modified)

    outcome = fetch(url, validators=replace(VALIDATORS, url=url))

    assert (outcome.kind, outcome.error) == (OutcomeKind.OK, None)
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.unchanged, outcome.response.body) == (304, True, b"")
    (seen,) = hostile.ledger.requests
    assert seen.header("if-none-match") == '"a"'
    assert seen.header("if-modified-since") == "Thu, 01 Jan 2026 00:00:00 GMT"


def test_a_changed_answer_is_read(hostile: Hostile, fetch: Fetcher) -> None:
    """A changed answer is read as without validators."""
    url = hostile.url(behaviours.answer)

    outcome = fetch(url, validators=replace(VALIDATORS, url=url))

    assert outcome.response is not None
    assert (outcome.response.body, outcome.response.unchanged) == (b"hello", False)


def test_a_304_without_a_condition_is_an_error(hostile: Hostile, fetch: Fetcher) -> None:
    """Without a condition a 304 has no meaning."""
    plain = fetch(hostile.url(not_modified))
    other = fetch(hostile.url(not_modified), validators=replace(VALIDATORS, url="http://elsewhere.example/"))

    for each in (plain, other):
        assert each.kind is OutcomeKind.HTTP_ERROR
        assert each.response is not None
        assert not each.response.unchanged


@pytest.mark.parametrize("name", ["if-none-match", "If-Modified-Since"])
def test_a_task_may_set_a_condition_itself(name: str, hostile: Hostile, fetch: Fetcher) -> None:
    """A 304 is then an answer, but no success: we have no earlier body that it could refer to."""
    outcome = fetch(hostile.url(not_modified), headers={name: VALIDATORS.last_modified})

    assert (outcome.kind, outcome.error) == (OutcomeKind.HTTP_ERROR, "The target answered 304 Not Modified.")
    assert outcome.response is not None
    assert outcome.response.unchanged


def test_validators_are_sent_to_their_own_url_only(hostile: Hostile, fetch: Fetcher) -> None:
    """A URL that redirects there does not get them: the same ETag may mean another thing there."""
    target = hostile.url(not_modified, host="localhost")
    url = hostile.url(redirects_to(target))

    outcome = fetch(url, validators=replace(VALIDATORS, url=target))

    assert outcome.kind is OutcomeKind.OK
    assert [seen.header("if-none-match") for seen in hostile.ledger.requests] == [None, '"a"']


def test_only_get_and_head_are_conditional(hostile: Hostile, fetch: Fetcher) -> None:
    """For other methods, a condition would forbid something."""
    url = hostile.url(behaviours.answer)

    fetch(url, method="POST", validators=replace(VALIDATORS, url=url))

    assert hostile.ledger.requests[0].header("if-none-match") is None
