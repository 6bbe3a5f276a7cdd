"""Requests over HTTP/2 that were sent and certainly not processed: RFC 9113 sections 6.8 and 8.7."""

import ssl
import struct
from collections.abc import Callable

import pytest

from taskrunner.domain.retries.retry import is_retryable, is_unknown
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools import http2_behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.http2 import (
    END_HEADERS,
    GOAWAY,
    HEADERS,
    HTTP_1_1_REQUIRED,
    INTERNAL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    Http2Peer,
    frame,
    literal,
)
from tests.tools.waiting import PATIENCE

# Those of RFC 9113 section 7, and some of nobody.
CODES = (*range(14), 14, 99, 2**32 - 1)
LARGEST_STREAM = 2**31 - 1

Check = Callable[..., Outcome]


def goaway(last_stream: int, code: int) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack("!II", last_stream, code))


def resets(code: int) -> Behaviour:
    """Resets each stream with an error code of RFC 9113 section 7."""

    def behaviour(peer: Peer) -> None:
        talk = Http2Peer(peer)
        while True:
            talk.send(frame(RST_STREAM, 0, talk.read(), code.to_bytes(4, "big")))

    return behaviour


def goes_away(*frames: bytes, closes: bool = False) -> Behaviour:
    """Reads the request, sends `frames`, and then waits or closes."""

    def behaviour(peer: Peer) -> None:
        talk = Http2Peer(peer)
        talk.read()
        talk.send(b"".join(frames))
        if not closes:
            talk.wait_for_close()

    return behaviour


def goes_away_first(code: int) -> Behaviour:
    """Takes no request at all, as a server that shuts down while we dial."""

    def behaviour(peer: Peer) -> None:
        peer.send(frame(SETTINGS, 0, 0) + goaway(0, code))
        peer.wait_for_close()

    return behaviour


def goes_away_in_request(code: int) -> Behaviour:
    """Does not wait for the body, for which its window is too small."""

    def behaviour(peer: Peer) -> None:
        talk = Http2Peer(peer)
        talk.read_head()
        talk.send(goaway(0, code))
        talk.wait_for_close()

    return behaviour


@pytest.fixture
def check(hostile: Hostile, fetch: Fetcher, tls_http2: ssl.SSLContext) -> Check:
    """Fetches, and asserts whether the request counts as sent, and that it was sent once at most."""

    def check(behaviour: Behaviour, sent: bool, method: str = "POST", body: str = "x") -> Outcome:
        url = hostile.url(behaviour, tls=tls_http2)
        context = fetch.context(url, method=method, body=body, timeout=PATIENCE)
        outcome = fetch.handler.run(context)
        assert outcome.sent is sent, outcome
        assert is_unknown(context.task, outcome) is sent
        assert is_retryable(outcome)
        assert len(hostile.ledger.requests) <= 1
        return outcome

    return check


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
def test_a_lower_last_stream_is_not_processed(code: int, closes: bool, check: Check) -> None:
    """Whatever the code says: "activity on streams numbered lower or equal" alone may have been processed."""
    outcome = check(goes_away(goaway(0, code), closes=closes), False)

    assert outcome.kind is OutcomeKind.CONNECT_ERROR
    assert "before it processed any of it" in str(outcome.error)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("last", [1, 3, LARGEST_STREAM])
def test_a_last_stream_that_covers_ours_says_nothing(last: int, code: int, check: Check) -> None:
    """The target may have acted on the request, also when it then closes."""
    check(goes_away(goaway(last, code), closes=True), True)


@pytest.mark.parametrize("code", [0, 1, INTERNAL_ERROR, 11])
@pytest.mark.parametrize("behaviour", [goes_away_first, goes_away_in_request])
def test_a_goaway_at_any_moment_is_obeyed(
    behaviour: Callable[[int], Behaviour], code: int, check: Check
) -> None:
    """Before the request, or in the middle of it."""
    check(behaviour(code), False, body="x" * 500_000)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("behaviour", "sent"),
    [
        (resets(REFUSED_STREAM), False),
        (resets(HTTP_1_1_REQUIRED), False),
        *((resets(code), True) for code in (0, 1, INTERNAL_ERROR, 3, 5, 8, 11, 12, 99)),
        # RFC 9113 6.8: a graceful end announces the largest stream first, and lowers it.
        (goes_away(goaway(LARGEST_STREAM, 0), goaway(0, INTERNAL_ERROR)), False),
        (goes_away(goaway(1, 0), frame(RST_STREAM, 0, 1, b"\0\0\0\2")), True),
        # An answer has begun, whatever the GOAWAY says.
        (
            goes_away(frame(HEADERS, END_HEADERS, 1, literal(b":status", b"103")), goaway(0, INTERNAL_ERROR)),
            True,
        ),
        # libcurl gives up the stream itself; the second quotes a header that looks like its own message.
        (goes_away(frame(HEADERS, END_HEADERS, 1, literal(b":status", b"abc"))), True),
        (
            goes_away(
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    literal(b"HTTP/2 stream 1 reset by curl (error 0x2 INTERNAL_ERROR)", b"x"),
                )
            ),
            True,
        ),
        (goes_away(frame(8, 0, 1, b"\x7f\xff\xff\xff")), True),
        (http2_behaviours.h2_closes, True),
        (http2_behaviours.h2_reset_in_body, True),
        (http2_behaviours.h2_garbage, True),
    ],
)
def test_other_ends_of_a_request(behaviour: Behaviour, sent: bool, method: str, check: Check) -> None:
    """Only REFUSED_STREAM and HTTP_1_1_REQUIRED say the same as a GOAWAY; any other end is unknown."""
    check(behaviour, sent, method)


def test_the_code_of_a_goaway_is_named(check: Check) -> None:
    """It is the only hint to what the target did not like."""
    outcome = check(goes_away(goaway(0, 11)), False)

    assert str(outcome.error).endswith("It closed the connection with ENHANCE_YOUR_CALM.")
