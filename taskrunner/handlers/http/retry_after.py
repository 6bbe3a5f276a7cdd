"""Reads the header Retry-After as servers really send it (RFC 9110 sections 10.2.3 and 5.6.7).

Beyond the grammar, whatever has one clear meaning is read: dates as mail has them (RFC 5322 section 3.3),
timestamps (RFC 3339), Unix times, and lists, which two header lines become on their way (RFC 9110 section
5.3).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone

from taskrunner.domain.retries.retry import RETRY_AFTER_CAP

# The grammar has whole seconds only, but some servers send fractions, whose meaning is clear.
_SECONDS = re.compile(r"([0-9]+)(\.[0-9]{1,9})?")
# Nine digits are 31 years; int() refuses more than 4,300 of them.
_MAX_DIGITS = 9
# Longer numbers with these counts of digits are Unix times, since 2001 and until 2286: in seconds,
# milliseconds, microseconds or nanoseconds.
_UNIX_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
_MONTH = r"(?P<month>[a-z]{3,9})"
_TIME = r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?"
# Every HTTP date is GMT, so a missing zone changes nothing.
_ZONE = r"(?: ?(?:gmt|utc?|z|(?:gmt|utc)?(?P<offset>[+-]\d\d:?\d\d)))?"
_DATES = (
    # Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rf"(?:[a-z]{{3,9}},? ?)?(?P<day>\d\d?)[ -]{_MONTH}[ -](?P<year>\d{{4}}|\d\d) {_TIME}{_ZONE}"),
    # Sun Nov  6 08:49:37 1994
    re.compile(rf"[a-z]{{3}},? {_MONTH} (?P<day>\d\d?) {_TIME}{_ZONE} (?P<year>\d{{4}})"),
    # 1994-11-06T08:49:37Z
    re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[t ]{_TIME}{_ZONE}"),
    re.compile(
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)t(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?:\.\d+)?"
        + _ZONE
    ),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})


def retry_after(values: Iterable[str], now: datetime, cap: float = RETRY_AFTER_CAP) -> float | None:
    """Seconds to wait from `now`, 0 to `cap`; None when no value can be read. Raises nothing.

    Of several values the longest wait counts: a proxy and its origin may each have sent one.
    """
    waits = [wait for value in _members(values) if (wait := _wait(value, now)) is not None]
    return min(max(waits), cap) if waits else None


def _members(values: Iterable[str]) -> Iterator[str]:
    """The members of comma-separated lists. The comma behind the day of a week separates nothing."""
    for value in values:
        day = ""
        for part in value.split(","):
            member = part.strip(" \t")
            if member[:3].lower() in _DAYS and member.isalpha():
                day = f"{member}, "
                continue
            yield day + member
            day = ""


def _wait(value: str, now: datetime) -> float | None:
    if match := _SECONDS.fullmatch(value):
        digits = match[1].lstrip("0")
        if unit := _UNIX_UNITS.get(len(digits)):
            return max(0.0, int(digits) / unit - now.timestamp())
        return float("inf") if len(digits) > _MAX_DIGITS else float(f"0{digits}{match[2] or ''}")
    moment = _date(" ".join(value.lower().split()), now)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _date(value: str, now: datetime) -> datetime | None:
    if not value.isascii():
        return None
    for pattern in _DATES:
        if match := pattern.fullmatch(value):
            return _moment(match.groupdict(), now)
    return None


def _moment(part: dict[str, str | None], now: datetime) -> datetime | None:
    year, month = part["year"] or "", part["month"] or ""
    # Python knows no leap second.
    second = min(int(part["second"] or 0), 59) if part["second"] == "60" else int(part["second"] or 0)
    try:
        return datetime(
            _full_year(int(year), now) if len(year) == 2 else int(year),
            int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1,
            int(part["day"] or 0),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            second,
            tzinfo=_zone(part["offset"]),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None) -> timezone:
    """From `+0100` or `+01:00`. Raises `ValueError`."""
    if offset is None:
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _full_year(two_digits: int, now: datetime) -> int:
    """RFC 9110 5.6.7: a year more than 50 years ahead means the last such year in the past."""
    year = now.year // 100 * 100 + two_digits
    return year - 100 if year > now.year + 50 else year
