"""Lines outside the body: bounded by bytes; no head loses its status, or what says how to read the body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.handlers.http.head_lines import MAX_TOTAL_BYTES, HeadLines
from taskrunner.handlers.http.response_head import ResponseHead

MAX_BYTES = 1000
NEEDED = [b"Content-Encoding: gzip\r\n", b"LOCATION: /x\r\n", b"Retry-After: 5\r\n", b"content-length: 7\r\n"]


def taken(*lines: bytes) -> HeadLines:
    made = HeadLines(MAX_BYTES)
    for line in lines:
        if not made.add(line):
            break
    return made


def head(status: int, fillers: int, *more: bytes) -> list[bytes]:
    filler = [b"X-%04d: %s\r\n" % (number, b"y" * 40) for number in range(fillers)]
    return [b"HTTP/1.1 %d X\r\n" % status, *filler, *more, b"\r\n"]


@given(
    interim=st.lists(st.integers(0, 60), max_size=6),
    fillers=st.integers(0, 60),
    trailers=st.integers(0, 60),
)
def test_the_last_head_counts_however_long_the_others_are(
    interim: list[int], fillers: int, trailers: int
) -> None:
    """Long hints, a long head, long trailers, in any combination: status and needed headers are there."""
    made = taken(
        *(line for size in interim for line in head(103, size, b"Location: /wrong\r\n")),
        *head(503, fillers, *NEEDED),
        *(b"X-Trailer: y\r\n" for _ in range(trailers)),
    )
    found = ResponseHead(made.lines)

    assert (found.status, found.is_complete) == (503, True)
    names = ("content-encoding", "location", "retry-after", "content-length")
    assert [found.value(name) for name in names] == ["gzip", "/x", "5", "7"]
    kept = len(found.headers) - len(NEEDED)
    assert (kept < fillers) is made.truncated
    # Heads before it take no room from a head.
    size_bytes = sum(map(len, head(503, fillers, *NEEDED)))
    assert not made.truncated or size_bytes > MAX_BYTES
    assert not made.flooded


def test_a_kept_part_is_the_first_one() -> None:
    found = ResponseHead(taken(*head(200, 50)).lines)

    assert [name for name, _ in found.headers] == [f"X-{number:04d}" for number in range(len(found.headers))]
    assert sum(len(name) + len(value) + 4 for name, value in found.headers) <= MAX_BYTES


@pytest.mark.parametrize(
    "endless",
    [
        [b"HTTP/1.1 100 Continue\r\n", b"\r\n"],
        [b"HTTP/1.1 103 Hints\r\n", b"Link: x\r\n", b"\r\n"],
        [b"X: y\r\n"],
        [b"Location: y\r\n"],
    ],
)
def test_reading_ends_at_a_number_of_bytes(endless: list[bytes]) -> None:
    """Whatever repeats: interim answers, or header lines."""
    repeats = (MAX_TOTAL_BYTES + 2 * MAX_BYTES) // len(b"".join(endless))
    made = taken(b"HTTP/1.1 200 OK\r\n", *(endless * repeats))

    assert made.flooded
    assert made.size_bytes <= MAX_TOTAL_BYTES + MAX_BYTES


def test_every_byte_is_counted() -> None:
    """The framing of a body is checked against what the kernel received."""
    lines = [*head(103, 40), *head(200, 40), *[b"X-Trailer: y\r\n"] * 100]
    assert taken(*lines).size_bytes == sum(map(len, lines))
