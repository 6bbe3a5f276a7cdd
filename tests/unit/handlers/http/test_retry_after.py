"""Retry-After: what servers really send becomes seconds or None, and nothing raises."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retries.retry import RETRY_AFTER_CAP
from taskrunner.handlers.http.retry_after import retry_after

DAYS = st.sampled_from(["Sun", "Xxx"])
MONTHS = st.sampled_from(["Jan", "Feb", "Dec", "Foo"])
ZONES = st.sampled_from(["", " GMT", " CET", " +0100", "-9999"])
N = st.integers(0, 99) | st.integers(0, 99_999)
DATES = st.builds(
    "{}, {:02} {} {:04} {:02}:{:02}:{:02}{}".format, DAYS, N, MONTHS, N, N, N, N, ZONES
) | st.builds("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}".format, N, N, N, N, N, N, ZONES)
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
        ("Sun, 1 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun,  1 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun,01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun 01 Mar 2026 12:01:00 GMT", 60.0),
        ("01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sunday, 01 March 2026 12:01:00 GMT", 60.0),
        ("SUN, 01 MAR 2026 12:01:00 gmt", 60.0),
        ("Sun, 01-Mar-2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 26 12:01:00 GMT", 60.0),
        ("Sunday, 1-Mar-26 12:01:00 GMT", 60.0),
        ("Sun Mar 1 12:01:00 2026", 60.0),
        ("sun mar  1 12:01:00 gmt 2026", 60.0),
        ("Sun, 01 Mar 2026 12:01 GMT", 60.0),
        ("Sun, 01 Mar 2026 9:01:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:01:00 UT", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 +0000", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("Sun, 01 Mar 2026 13:01:00 +0100", 60.0),
        ("Sun, 01 Mar 2026 07:01:00 -0500", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT+0000", 60.0),
        ("2026-03-01T12:01:00Z", 60.0),
        ("2026-03-01t12:01:00z", 60.0),
        ("2026-03-01T12:01:00.123Z", 60.0),
        ("2026-03-01T12:01:00", 60.0),
        ("2026-03-01 12:01:00", 60.0),
        ("2026-03-01 12:01:00 UTC", 60.0),
        ("2026-03-01T12:01Z", 60.0),
        ("2026-03-01T14:01:00+02:00", 60.0),
        ("2026-03-01T14:01:00+0200", 60.0),
        ("20260301T120100Z", 60.0),
        ("2025-03-01T12:01:00Z", 0.0),
        ("1, 2", 2.0),
        ("30,120 , 60", 120.0),
        ("5, soon", 5.0),
        (",7,", 7.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT, 5", 60.0),
        ("5, Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT, Sun, 01 Mar 2026 12:02:00 GMT", 120.0),
        ("Sunday,01-Mar-26 12:01:00 GMT,5", 60.0),
        ("1772366460", 60.0),
        ("1772366460.5", 60.0),
        ("1772366460000", 60.0),
        ("1772366460000000", 60.0),
        ("1772366460000000000", 60.0),
        ("1772366000", 0.0),
        ("1999999999", RETRY_AFTER_CAP),
        ("999999999", RETRY_AFTER_CAP),
        ("99999999999", RETRY_AFTER_CAP),
    ],
)
def test_a_value_that_can_be_read(value: str, seconds: float) -> None:
    """Seconds, the dates of RFC 9110, their siblings, and lists of these are read, up to the cap."""
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
        "soon",
        "soon, later",
        "Sun",
        "Sun,",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Mon, 30 Feb 2026 12:00:00 GMT",
        "Sun, 00 Mar 2026 12:00:00 GMT",
        "Sun, 01 Foo 2026 12:00:00 GMT",
        "Sun, 01 Mar 0000 12:00:00 GMT",
        "Sun, 01 Mar 2026 25:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 CET",
        "Sun, 01 Mar 2026 12:00:00 +9900",
        "Mon, 01 Jan 0001 00:00:00 +0100",
        "2026-13-01T12:01:00Z",
        "2026-02-30T12:01:00Z",
        "2026-03-01",
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


@given(st.lists(st.text() | DATES | st.integers(0, 10**20).map(str), max_size=3))
def test_any_value_gives_a_wait_within_the_cap(values: list[str]) -> None:
    """Any value gives None or a wait from 0 to the cap."""
    seconds = retry_after(values, NOW)
    assert seconds is None or 0.0 <= seconds <= RETRY_AFTER_CAP
