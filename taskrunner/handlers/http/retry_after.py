"""Reads the header Retry-After as servers really send it (RFC 9110 sections 10.2.3 and 5.6.7)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from taskrunner.domain.retry import RETRY_AFTER_CAP

# The grammar has whole seconds only, but some servers send fractions, whose meaning is clear.
_SECONDS = re.compile(r"([0-9]+)(\.[0-9]{1,9})?")
# Nine digits are 31 years; int() refuses more than 4,300 of them.
_MAX_DIGITS = 9
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# Every HTTP date is GMT, so a missing zone changes nothing.
_ZONE = r"(?: GMT| UTC)?"
_DATES = (
    # Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(rf"[A-Za-z]{{3}}, (?P<day>\d\d) (?P<month>[A-Za-z]{{3}}) (?P<year>\d{{4}}) {_TIME}{_ZONE}"),
    # Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rf"[A-Za-z]{{6,9}}, (?P<day>\d\d)-(?P<month>[A-Za-z]{{3}})-(?P<year>\d\d) {_TIME}{_ZONE}"),
    # Sun Nov  6 08:49:37 1994
    re.compile(rf"[A-Za-z]{{3}} (?P<month>[A-Za-z]{{3}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def retry_after(values: Iterable[str], now: datetime, cap: float = RETRY_AFTER_CAP) -> float | None:
    """Seconds to wait from `now`, 0 to `cap`; None when no value can be read. Raises nothing.

    Of several headers the longest wait counts: a proxy and its origin may each have sent one.
    """
    waits = [wait for value in values if (wait := _wait(value.strip(" \t"), now)) is not None]
    return min(max(waits), cap) if waits else None


def _wait(value: str, now: datetime) -> float | None:
    if match := _SECONDS.fullmatch(value):
        digits = match[1].lstrip("0")
        return float("inf") if len(digits) > _MAX_DIGITS else float(f"0{digits}{match[2] or ''}")
    moment = _http_date(value, now)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _http_date(value: str, now: datetime) -> datetime | None:
    if not value.isascii():
        return None
    for pattern in _DATES:
        if match := pattern.fullmatch(value):
            return _moment(match.groupdict(), now)
    return None


def _moment(part: dict[str, str], now: datetime) -> datetime | None:
    year = int(part["year"])
    if len(part["year"]) == 2:
        year = _full_year(year, now)
    # Python knows no leap second.
    second = min(int(part["second"]), 59) if part["second"] == "60" else int(part["second"])
    try:
        month = _MONTHS.index(part["month"].lower()) + 1
        return datetime(
            year, month, int(part["day"]), int(part["hour"]), int(part["minute"]), second, tzinfo=UTC
        )
    except ValueError:
        return None


def _full_year(two_digits: int, now: datetime) -> int:
    """RFC 9110 5.6.7: a year more than 50 years ahead means the last such year in the past."""
    year = now.year // 100 * 100 + two_digits
    return year - 100 if year > now.year + 50 else year
