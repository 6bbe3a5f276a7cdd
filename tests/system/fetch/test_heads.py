"""Heads of answers: long, malformed, cut. A status that was received is in the record."""

from collections.abc import Callable

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.waiting import in_more_time

BUSY = b"HTTP/1.1 503 Busy\r\nServer: x\r\n"
END = b"Retry-After: 5\r\nContent-Length: 2\r\n\r\nhi"
COOKIES = b"".join(b"Set-Cookie: c%d=1\r\n" % number for number in range(150))
LARGE = b"".join(b"X-%d: " % number + b"x" * 1000 + b"\r\n" for number in range(200))
HINTS = b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </a.css>; rel=preload\r\n"
CHUNKED = b"Retry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"


@pytest.mark.parametrize(
    ("answer", "body", "truncated"),
    [
        (BUSY + COOKIES + END, b"hi", False),
        (BUSY + LARGE + END, b"hi", True),
        (HINTS * 1 + b"\r\n" + BUSY + END, b"hi", False),
        ((HINTS + b"\r\n") * 40 + BUSY + COOKIES + END, b"hi", False),
        ((HINTS + LARGE + b"\r\n") + BUSY + END, b"hi", False),
        ((HINTS + LARGE[:90_000] + b"\r\n\r\n") * 2 + BUSY + LARGE[:90_000] + b"\r\n" + END, b"hi", True),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 100 + BUSY + END, b"hi", False),
        (BUSY + CHUNKED + COOKIES + b"\r\n", b"hi", False),
        (BUSY + CHUNKED + LARGE + b"\r\n", b"hi", False),
        (BUSY + CHUNKED + b"X: " + b"x" * 500_000 + b"\r\n\r\n", b"hi", False),
        (BUSY + b"Retry-After: 5\r\n" + LARGE * 4, b"", True),
        (BUSY + b"Retry-After: 5\r\n" + b"X: y\r\n" * 6000, b"", True),
        (BUSY + b"Retry-After: 5\r\nX: " + b"x" * 400_000, b"", True),
    ],
    ids=lambda value: f"{len(value)}-bytes" if isinstance(value, bytes) else str(value),
)
def test_the_status_counts_however_long_heads_are(
    answer: bytes, body: bytes, truncated: bool, hostile: Hostile, fetch: Fetcher
) -> None:
    """A 503 with Retry-After to a POST is tried again, and the first part of its headers is kept."""
    outcome = fetch(hostile.url(behaviours.sends(answer, keep=True)), method="POST")

    assert (outcome.kind, outcome.retry_after) == (OutcomeKind.HTTP_ERROR, 5)
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.body) == (503, body)
    assert outcome.response.headers_truncated is truncated
    assert outcome.response.headers[0] == ("Server", "x")
    if not truncated and COOKIES in answer and CHUNKED not in answer:
        assert len([name for name, _ in outcome.response.headers if name == "Set-Cookie"]) == 150


MALFORMED = [
    (b"no colon here\r\n", "Line 3 of the answer's head is malformed: it has no colon."),
    (b"X: a\0b\r\n", "Line 3 of the answer's head is malformed: it holds a NUL byte."),
    (b"X: a\rb\r\n", "Line 3 of the answer's head is malformed: it holds a carriage return."),
    (b"Content-Length: 5x\r\n", "Line 3"),
    (b"Content-Length: -1\r\n", "Line 3"),
    (b"A: b\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "Line 5"),
    (b"Transfer-Encoding: x-secret\r\n", "Transfer-Encoding that we did not offer"),
    (b"Transfer-Encoding: chunked\r\n\r\n0\r\nsecret\r\n", "A trailer of the answer is malformed"),
]


@pytest.mark.parametrize(("lines", "sentence"), MALFORMED)
@pytest.mark.parametrize("interim", [b"", HINTS + b"\r\n"])
def test_a_malformed_line_is_named_and_the_status_is_kept(
    lines: bytes, sentence: str, interim: bytes, hostile: Hostile, fetch: Fetcher
) -> None:
    """By its number, since an error holds no byte of the peer."""
    outcome = fetch(hostile.url(behaviours.sends(interim + BUSY + lines + b"\r\n", keep=True)), method="POST")

    assert outcome.kind is OutcomeKind.PROTOCOL_ERROR
    assert sentence in (outcome.error or "")
    assert "secret" not in (outcome.error or "")
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.headers[0]) == (503, ("Server", "x"))


def stalls(data: bytes) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        peer.hold()

    return behaviour


def resets(data: bytes) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        peer.rest(0.05)
        peer.reset()

    return behaviour


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (stalls(BUSY), OutcomeKind.TIMEOUT),
        (stalls(BUSY + b"Content-Length: 9\r\n\r\n"), OutcomeKind.TIMEOUT),
        (stalls(BUSY + b"Content-Length: 9\r\n\r\nhello"), OutcomeKind.TIMEOUT),
        (stalls(BUSY + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"), OutcomeKind.TIMEOUT),
        (resets(BUSY), OutcomeKind.CONNECT_ERROR),
        (resets(BUSY + b"Content-Length: 9\r\n\r\nhello"), OutcomeKind.CONNECT_ERROR),
        (behaviours.sends(BUSY), OutcomeKind.PROTOCOL_ERROR),
        (behaviours.sends(BUSY + b"X: "), OutcomeKind.PROTOCOL_ERROR),
        (behaviours.sends(BUSY + b"Content-Length: 9\r\n\r\nhello"), OutcomeKind.PROTOCOL_ERROR),
        (behaviours.sends(BUSY + b"Transfer-Encoding: chunked\r\n\r\nZZ"), OutcomeKind.PROTOCOL_ERROR),
        (behaviours.sends(BUSY + b"\r\n" + b"x" * 5000), OutcomeKind.TOO_LARGE),
    ],
)
def test_a_status_is_kept_whatever_went_wrong_later(
    behaviour: Behaviour, kind: OutcomeKind, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The head as far as it came; of the body nothing, and it is marked."""
    fetch = make_fetcher(max_body_bytes=2000)

    outcome = in_more_time(
        lambda limit: fetch(hostile.url(behaviour), timeout=limit, method="POST"),
        lambda outcome: outcome.kind is kind and outcome.response is not None,
        first=0.7,
    )

    assert outcome.kind is kind
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.headers[0]) == (503, ("Server", "x"))
    assert (outcome.response.body, outcome.response.truncated) == (b"", True)


@pytest.mark.parametrize("large", [LARGE, b"X: y\r\n" * 4000])
def test_interim_answers_end_at_a_limit(large: bytes, hostile: Hostile, fetch: Fetcher) -> None:
    """Nobody knows the status: it is not told as a fault of the final answer."""
    outcome = fetch(hostile.url(behaviours.sends((HINTS + large + b"\r\n") * 20 + BUSY + END)))

    assert (outcome.kind, outcome.response) == (OutcomeKind.PROTOCOL_ERROR, None)
    assert "interim" in (outcome.error or "")


def test_a_head_that_was_cut_is_no_answer(hostile: Hostile, fetch: Fetcher) -> None:
    """RFC 9112 section 8: a 200 whose head did not arrive intact is not complete."""
    outcome = fetch(hostile.url(behaviours.sends(b"HTTP/1.1 200 OK\r\nX: y\r\n")))

    assert (outcome.kind, outcome.response is None) == (OutcomeKind.PROTOCOL_ERROR, False)
