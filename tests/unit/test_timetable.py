"""Timetables: which moments a cron expression means, also where clocks are changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.schedules import timetable as timetable_module
from taskrunner.domain.schedules.timetable import Timetable, check_cron, check_time_zone

BERLIN = "Europe/Berlin"
CRONS = (
    "*/7 * * * *",
    "30 2 * * *",
    "0,30 2,3 * * *",
    "15 */2 * * *",
    "0 0 1 * *",
    "@daily",
    "5 1-4 * * SUN",
)
ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(cron: str, zone: str, start: str, count: int) -> list[str]:
    timetable, moment, found = Timetable(cron, zone), at(start), list[str]()
    for _ in range(count):
        following = timetable.after(moment)
        assert following is not None
        moment = following
        found.append(f"{moment:%m-%dT%H:%M}")
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["01-01T00:01", "01-01T00:02"]),
        ("*/20 6 * * *", ["01-01T06:00", "01-01T06:20"]),
        ("30 6 * * MON-FRI", ["01-01T06:30", "01-02T06:30"]),
        ("0 12 1,15 * *", ["01-01T12:00", "01-15T12:00"]),
        ("0 0 L * *", ["01-31T00:00", "02-28T00:00"]),
        ("0 9 * * 5#2", ["01-09T09:00", "02-13T09:00"]),
        ("0 0 13 * FRI", ["01-02T00:00", "01-09T00:00"]),
        ("@hourly", ["01-01T01:00", "01-01T02:00"]),
        ("@weekly", ["01-04T00:00", "01-11T00:00"]),
        ("@monthly", ["02-01T00:00", "03-01T00:00"]),
    ],
)
def test_slots_follow_the_expression(cron: str, expected: list[str]) -> None:
    """2026 begins on a Thursday."""
    assert slots(cron, "UTC", "2026-01-01T00:00", len(expected)) == expected


def test_a_slot_is_local_time() -> None:
    """Half past six in Berlin is another UTC hour in summer."""
    assert slots("30 6 1 1,7 *", BERLIN, "2026-01-01T00:00", 2) == ["01-01T05:30", "07-01T04:30"]


def test_a_time_in_the_gap_comes_right_after_it() -> None:
    """In Berlin 2026-03-29 has no 02:30; it runs at 03:00 summer time, and only once."""
    assert slots("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29T01:00", "03-30T00:30"]
    assert slots("0,15,30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29T01:00", "03-30T00:00"]


def test_a_time_that_comes_twice_runs_once() -> None:
    """In Berlin 2026-10-25 has two 02:30; the first of them counts, also for who asks between the two."""
    assert slots("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25T00:30", "10-26T01:30"]
    assert slots("30 2 * * *", BERLIN, "2026-10-25T01:10", 1) == ["10-26T01:30"]


def test_an_interval_goes_by_real_time() -> None:
    """Every half hour stays every half hour in both hours of the fold, and over the gap."""
    autumn = ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]
    assert slots("*/30 * * * *", BERLIN, "2026-10-25T00:00", 4) == autumn
    assert slots("*/30 * * * *", BERLIN, "2026-03-29T00:30", 2) == ["03-29T01:00", "03-29T01:30"]


@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2027, 1, 1)),
    st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)),
    st.integers(1, 12),
)
def test_between_is_the_end_of_what_after_names(
    cron: str, zone: str, start: datetime, length: timedelta, most: int
) -> None:
    """However it is asked, by steps or from the end, the slots are the same and ascend."""
    timetable, first = Timetable(cron, zone), start.replace(tzinfo=UTC)
    end = first + length
    stepped: list[datetime] = []
    moment = timetable.after(first - timedelta(microseconds=1))
    while moment is not None and moment <= end:
        stepped.append(moment)
        moment = timetable.after(moment)
    assert stepped == sorted(set(stepped))
    assert timetable.between(first, end, most) == stepped[-most:]


def test_many_years_are_not_walked_through() -> None:
    """The last slots of six years of minutes are found from the end."""
    found = Timetable("* * * * *", BERLIN).between(at("2020-01-01T00:00"), at("2026-01-01T00:00"), 100)
    assert (len(found), found[-1]) == (100, at("2026-01-01T00:00"))


@pytest.mark.parametrize(
    "cron",
    [
        *("", "* * * *", "* * * * * *", "61 * * * *", "* 24 * * *", "0 0 30 2 *", "0 0 * * 8", "-1 * * * *"),
        *("5-1 * * * *", "*/0 * * * *", "@never", "a b c d e", "1" * 300 + " * * * *"),
        "\N{ARABIC-INDIC DIGIT THREE} * * * *",
    ],
)
def test_what_is_no_expression_is_refused(cron: str) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=r"must|is no|never|long"):
        check_cron(cron)


def test_an_expression_is_tidied() -> None:
    assert check_cron(" 0  6 * * MON ") == "0 6 * * MON"
    assert check_cron("@Hourly") == "@hourly"


@pytest.mark.parametrize(
    "zone", ["Europe/berlin", "", "../UTC", "/etc/localtime", "Europe", "a\0b", "x" * 500]
)
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    """It is no path, either."""
    with pytest.raises(ValueError, match="must be an IANA time zone"):
        check_time_zone(zone)


@pytest.mark.parametrize(
    ("cron", "meaning"),
    [
        ("*/90 * * * *", "0 only"),
        ("*/60 * * * *", "0 only"),
        ("0 */24 * * *", "0 only"),
        ("0 */36 * * *", "0 only"),
        ("0 0 */31 * *", "1 only"),
        ("0 0 1 */12 *", "1 only"),
        ("0 0 * * */7", "0 only"),
        ("5/90 * * * *", "5 only"),
        ("0-10/20 * * * *", "0 only"),
        ("0 8-18/12 * * *", "8 only"),
        ("0 0 * * MON-FRI/5", "MON only"),
        ("0 0 1 jan-mar/3 *", "JAN only"),
        ("0 0 1 FEB/11 *", "FEB only"),
        ("1,*/90 * * * *", "0 only"),
        ("*/30,40-50/11 * * * *", "40 only"),
    ],
)
def test_a_step_beyond_its_field_is_refused(cron: str, meaning: str) -> None:
    """With what it would mean: nobody writes */90 for once an hour."""
    with pytest.raises(ValueError, match=meaning):
        check_cron(cron)


@pytest.mark.parametrize(
    "cron",
    [
        "*/59 * * * *",
        "*/45 * * * *",
        "0 */23 * * *",
        "0 0 */30 * *",
        "0 0 1 */11 *",
        "0 0 * * */6",
        "*/1 * * * *",
        "5-5/1 * * * *",
        "0-10/10 * * * *",
        "0 0 * * MON-FRI/4",
        "0 0 1 JAN-MAR/2 *",
        "3/56 * * * *",
        "0 0 L * *",
    ],
)
def test_a_step_within_its_field_is_taken(cron: str) -> None:
    assert check_cron(cron) == cron


@given(st.sampled_from(["minute", "hour", "day", "month", "weekday"]), st.integers(0, 59), st.integers(1, 99))
def test_a_taken_step_reaches_a_second_value(name: str, first: int, step: int) -> None:
    """Whatever passes has at least two slots in a year that differ in that field."""
    fields = {"minute": "0", "hour": "0", "day": "1", "month": "1", "weekday": "*"}
    if name == "weekday":
        fields |= {"day": "*", "month": "*"}
    spelt = " ".join((fields | {name: f"{first}/{step}"}).values())
    try:
        check_cron(spelt)
    except ValueError:
        return
    found = Timetable(spelt, "UTC").first(2, since=at("2026-01-01T00:00"))
    assert found[1] - found[0] < timedelta(days=365) or step == 1


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 13 * FRI", ["02-06", "02-13", "02-20"]),
        ("0 0 */5 * MON", ["02-16", "03-16", "04-06"]),
        ("0 0 13 * *", ["02-13", "03-13", "04-13"]),
    ],
)
def test_a_day_matches_the_date_or_the_weekday(cron: str, days: list[str]) -> None:
    """Either of two restricted fields; both, if one begins with a star."""
    found = Timetable(cron, "UTC").first(3, since=at("2026-02-02T00:00"))
    assert [f"{slot:%m-%d}" for slot in found] == days


def test_a_wrong_time_zone_reads_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that was meant is found without it afterwards: anybody may ask for a timetable."""
    for _ in range(2):
        with pytest.raises(ValueError, match='did you mean "Europe/Berlin"'):
            check_time_zone("Europe/Berlim")
        monkeypatch.setattr(timetable_module, "available_timezones", lambda: set[str]())
