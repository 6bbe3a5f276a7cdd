"""Retry-After: what servers really send becomes seconds or None, and nothing raises."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retry import RETRY_AFTER_CAP
from taskrunner.handlers.http.retry_after import retry_after

DAYS = st.sampled_from(["Sun", "Xxx"])
MONTHS = st.sampled_from(["Jan", "Feb", "Dec", "Foo"])
ZONES = st.sampled_from(["", " GMT", " CET"])
N = st.integers(0, 99) | st.integers(0, 99_999)
DATES = st.builds("{}, {:02} {} {:04} {:02}:{:02}:{:02}{}".format, DAYS, N, MONTHS, N, N, N, N, ZONES)
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("\t7", 7.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("86401", RETRY_AFTER_CAP),
        ("9" * 5000, RETRY_AFTER_CAP),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("sun, 01 mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 12:01:00", 60.0),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60.0),
        ("Sun Mar  1 12:01:00 2026", 60.0),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Tue, 01 Jan 2030 00:00:00 GMT", RETRY_AFTER_CAP),
        ("Sun, 01 Mar 2026 12:00:60 GMT", 59.0),
    ],
)
def test_a_value_that_can_be_read(value: str, seconds: float) -> None:
    """Seconds, fractions, and the three date forms of RFC 9110 are read, up to the cap."""
    assert retry_after([value], NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-5",
        "+5",
        "1e9",
        "inf",
        "nan",
        "0x10",
        "1_000",
        "٣٠",
        "５",
        "1.",
        ".5",
        "5 s",
        "1, 2",
        "soon",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Mon, 30 Feb 2026 12:00:00 GMT",
        "Sun, 00 Mar 2026 12:00:00 GMT",
        "Sun, 01 Foo 2026 12:00:00 GMT",
        "Sun, 01 Mar 0000 12:00:00 GMT",
        "Sun, 01 Mar 2026 25:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 CET",
        "2026-03-01T12:01:00Z",
        "Sun, ٠١ Mar 2026 12:00:00 GMT",
    ],
)
def test_a_value_that_cannot_be_read(value: str) -> None:
    """Anything else is ignored."""
    assert retry_after([value], NOW) is None


def test_the_longest_of_several_headers_counts() -> None:
    """A proxy and its origin may both send one. Unreadable values do not hide the others."""
    assert retry_after(["5", "soon", "30"], NOW) == 30.0
    assert retry_after([], NOW) is None


def test_the_cap_is_an_argument() -> None:
    """The caller's cap applies."""
    assert retry_after(["100"], NOW, cap=10.0) == 10.0


@given(st.lists(st.text() | DATES, max_size=3))
def test_any_value_gives_a_wait_within_the_cap(values: list[str]) -> None:
    """Any value gives None or a wait from 0 to the cap."""
    seconds = retry_after(values, NOW)
    assert seconds is None or 0.0 <= seconds <= RETRY_AFTER_CAP
