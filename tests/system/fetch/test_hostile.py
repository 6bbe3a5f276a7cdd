"""Each hostile behaviour ends in time, with the right kind of outcome and the body within its limit."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskrunner.domain.retries.retry import is_retryable
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.response_body import ResponseBody
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.cases import CASES, OK, Case
from tests.tools.hostile import Hostile

MAX_BODY_BYTES = 4 * 1024 * 1024
STORE_BODY_BYTES = 1024


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_hostile_answer_ends_in_time_as_the_right_kind(
    case: Case, url_of: Callable[[Case], str], make_fetcher: Callable[..., Fetcher]
) -> None:
    """The attempt ends, with the listed kind, within the limits. One that hangs meets pytest's timeout."""
    fetch = make_fetcher(max_body_bytes=MAX_BODY_BYTES, store_body_bytes=STORE_BODY_BYTES)
    fields: dict[str, Any] = {"method": "POST", "body": "x" * case.content} if case.content else {}

    outcome = fetch(url_of(case), timeout=case.timeout, **fields)

    assert outcome.kind is case.kind, outcome.error
    assert is_retryable(outcome) is case.retryable
    assert outcome.counted
    assert (outcome.error is None) is (case.kind is OK)
    assert "secret-banner" not in repr(outcome)
    if outcome.response is not None:
        assert len(outcome.response.body) <= STORE_BODY_BYTES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_after_a_hostile_answer_the_handler_still_works(
    case: Case, hostile: Hostile, url_of: Callable[[Case], str], make_fetcher: Callable[..., Fetcher]
) -> None:
    """Nothing that one server did affects the worker's next task."""
    fetch = make_fetcher(max_body_bytes=MAX_BODY_BYTES)
    fetch(url_of(case), timeout=0.3)

    outcome = fetch(hostile.url(behaviours.answer))

    assert outcome.kind is OK
    assert outcome.response is not None
    assert outcome.response.body == b"hello"
    assert outcome.response.headers == (("Content-Length", "5"),)


def test_the_timeout_holds_within_one_read(
    hostile: Hostile, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine does not go on working on thousands of chunks that arrived at once."""
    feed = ResponseBody.feed

    def slowly(body: ResponseBody, chunk: bytes) -> bool:
        time.sleep(0.005)
        return feed(body, chunk)

    monkeypatch.setattr(ResponseBody, "feed", slowly)
    whole = behaviours.OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"

    assert fetch(hostile.url(behaviours.sends(whole)), timeout=0.5).kind is OutcomeKind.TIMEOUT
