"""Heads: the last one counts, whatever is before and after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.handlers.http.response_head import ResponseHead


def lines(text: str) -> list[bytes]:
    return text.replace("\n", "\r\n").encode("latin-1").splitlines(keepends=True)


def test_headers_keep_their_order_and_spelling() -> None:
    """Repeated headers stay; spaces around values are dropped."""
    head = ResponseHead(lines("HTTP/1.1 200 OK\nB: 2\na:1\nB:  3 \nEmpty:\n\n"))

    assert head.status == 200
    assert head.headers == [("B", "2"), ("a", "1"), ("B", "3"), ("Empty", "")]
    assert head.value("b") == "2"
    assert head.values("b") == ["2", "3"]
    assert head.value("missing") is None


def test_interim_answers_are_counted_and_skipped() -> None:
    """The headers of a 103 are not those of the answer."""
    head = ResponseHead(
        lines("HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Hints\nLink: x\n\nHTTP/1.1 204 No\nA: b\n\n")
    )

    assert (head.status, head.interim, head.headers) == (204, 2, [("A", "b")])


def test_trailers_are_no_headers() -> None:
    """A trailer cannot pass for a head either."""
    head = ResponseHead(lines("HTTP/1.1 200 OK\nA: b\n\nTrailer: x\n"))

    assert head.headers == [("A", "b")]


def test_a_folded_line_continues_the_value_before() -> None:
    """RFC 9112 5.2: obs-fold becomes a space."""
    head = ResponseHead(lines("HTTP/1.1 200 OK\nA: b\n c\nD: e\n\n"))

    assert head.headers == [("A", "b c"), ("D", "e")]


def test_bare_line_feeds_and_other_bytes_are_accepted() -> None:
    """Values are read as Latin-1, whatever their bytes."""
    head = ResponseHead([b"HTTP/1.1 200 OK\n", b"A: \xff\n", b"\n"])

    assert (head.status, head.headers) == (200, [("A", "\xff")])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 X",
        "HTTP/1.1 abc",
        "HTTP/1.1 ²00 X",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "ICY 200 OK",
        "SSH-2.0-x",
    ],
)
def test_an_invalid_status_line_has_no_status(line: str) -> None:
    """Status 0 means that the answer is not HTTP."""
    assert ResponseHead(lines(f"{line}\nA: b\n\n")).status == 0


@pytest.mark.parametrize(
    ("status", "location", "redirects"),
    [
        (302, "Location: /x", True),
        (304, "Location: /x", False),
        (302, "A: b", False),
        (302, "Location:", False),
    ],
)
def test_a_redirect_needs_a_status_and_a_location(status: int, location: str, redirects: bool) -> None:
    """Neither a 304 nor a 302 without a Location is a redirect."""
    assert ResponseHead(lines(f"HTTP/1.1 {status} X\n{location}\n\n")).redirects is redirects


@given(st.lists(st.binary()))
def test_no_bytes_make_it_raise(received: list[bytes]) -> None:
    """A server may send anything."""
    head = ResponseHead(received)
    assert 0 <= head.status <= 999


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("HTTP/1.1 200 OK\n\n", True),
        ("HTTP/1.0 200 OK\nServer: x\n\n", True),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", False),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", False),
        ("HTTP/2 200\n\n", False),
    ],
)
def test_only_http_1_answers_without_a_length_end_with_the_connection(text: str, ends: bool) -> None:
    """In HTTP/2 a frame ends the body; a connection that closes before truncates it."""
    assert ResponseHead(lines(text)).ends_with_connection is ends
