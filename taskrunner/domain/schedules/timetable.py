"""A timetable: the slots of a cron expression in a time zone.

The library follows Debian's cron where clocks change: a fixed time that falls into the gap of spring runs
right after the gap, one that autumn repeats runs once, the first time. An expression whose minute or hour
begins with `*` follows elapsed time. As in Debian's cron, a day must match the day of the month or the
weekday if both fields are restricted, and both fields if one of them begins with `*`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from taskrunner.domain.messages import any_case, did_you_mean, shown

_FIELDS = 5
_MAX_CHARS = 256
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# The values of each field; a weekday 7 is Sunday again, so no step reaches it.
_RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_STEP = re.compile(
    r"(?:(?P<all>\*)|(?P<first>\w{1,3})(?:-(?P<last>\w{1,3}))?)/(?P<step>[0-9]{1,9})", re.ASCII
)
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
# The first period that `between` searches; each further one is twice as long.
_FIRST_PERIOD = timedelta(hours=2)


class Timetable:
    """Slots in UTC. The arguments have passed `check_cron` and `check_time_zone`.

    Raises `ValueError` if this machine does not know the time zone.
    """

    def __init__(self, cron: str, time_zone: str) -> None:
        self._cron = _NAMED.get(cron.lower(), cron)
        self._zone = _zone(time_zone)

    def after(self, moment: datetime) -> datetime | None:
        """The first slot after `moment`; None if there is none within 50 years."""
        return next(self._from(moment), None)

    def first(self, count: int, *, since: datetime) -> list[datetime]:
        """The first `count` slots from `since` on, that moment included."""
        return list(islice(self._from(since - timedelta(microseconds=1)), count))

    def between(self, start: datetime, end: datetime, limit: int) -> list[datetime]:
        """The last `limit` slots from `start` to `end`, both included, in order.

        It computes about twice as many slots, or those of one day, however long the period is.
        """
        period = _FIRST_PERIOD
        while True:
            first = max(start, end - period)
            slots = self._until(first, end)
            if len(slots) >= limit or first == start:
                return slots[-limit:]
            period *= 2

    def _until(self, first: datetime, end: datetime) -> list[datetime]:
        slots: list[datetime] = []
        for slot in self._from(first - timedelta(microseconds=1)):
            if slot > end:
                break
            slots.append(slot)
        return slots

    def _from(self, moment: datetime) -> Iterator[datetime]:
        """Strictly increasing slots: where clocks change, the library can repeat a slot or go back."""
        last = moment
        # The library truncates microseconds, and begins after the given time.
        begin = (moment - timedelta(seconds=1)).astimezone(self._zone)
        for found in CronSim(self._cron, begin):
            slot = found.astimezone(UTC)
            if slot > last:
                last = slot
                yield slot


def cron_pattern() -> str:
    """A regular expression of ECMA 262, for JSON Schema, which matches every cron expression.

    It cannot say that a range goes up, that a step stays within it, or that the day exists.
    """
    month, weekday = f"1[0-2]|[1-9]|{any_case(_MONTHS)}", f"[0-7]|{any_case(_WEEKDAYS)}"
    numbers = ("[0-5]?[0-9]", "2[0-3]|1?[0-9]", "3[01]|[12][0-9]|[1-9]", month, weekday)
    steps = ("[1-5][0-9]|[1-9]", "2[0-3]|1[0-9]|[1-9]", "30|[12][0-9]|[1-9]", "1[01]|[1-9]", "[1-7]")
    special = ("", "", "|[Ll][Ww]?", "", f"|0*(?:{weekday})#0*[1-5]|0*[0-7][Ll]")
    fields = [
        f"(?:{term}(?:,{term})*)"
        for number, step, other in zip(numbers, steps, special, strict=True)
        for term in [rf"(?:(?:\*|0*(?:{number})(?:-0*(?:{number}))?)(?:/0*(?:{step}))?{other})"]
    ]
    spaced = r"\s+".join(fields)
    return rf"^\s*(?:{spaced}|{any_case(_NAMED)})\s*$"


def check_cron(cron: str) -> str:
    """Five fields, or a name such as @hourly; returned with single spaces."""
    text = " ".join(cron.split())
    if len(text) > _MAX_CHARS:
        raise ValueError(f"is {len(text)} characters long, at most {_MAX_CHARS} are allowed")
    if text.startswith("@"):
        if text.lower() not in _NAMED:
            raise ValueError(f"must be one of {', '.join(_NAMED)}, got {shown(text)}")
        return text.lower()
    if len(text.split()) != _FIELDS:
        raise ValueError(
            f"must have {_FIELDS} fields (minute hour day month weekday) or be a name such as @hourly, "
            f"got {shown(text)}"
        )
    for name, field in zip(_RANGES, text.split(), strict=True):
        for term in field.upper().split(","):
            _check_step(name, term)
    try:
        possible = next(CronSim(text, _ANY_TIME), None)
    except (CronSimError, AssertionError, ValueError) as exc:
        raise ValueError(f"is not a cron expression ({exc}): {shown(text)}") from exc
    if possible is None:
        raise ValueError(f"never matches: {shown(text)}")
    return text


def _check_step(name: str, term: str) -> None:
    """Raises `ValueError` for a step that leaves a single value: `*/90` minutes would be every hour."""
    match = _STEP.fullmatch(term)
    if match is None:
        return
    lowest, highest = _RANGES[name]
    first = lowest if match["all"] else _value(match["first"])
    last = _value(match["last"]) if match["last"] else highest
    # An unreadable or empty range is refused by the library.
    if first is None or last is None or first > last:
        return
    step = int(match["step"])
    if step > 1 and step > last - first:
        raise ValueError(
            f"has the step {shown(term)} in the field {name}, which is beyond {first}-{last}: it means "
            f"{match['first'] or first} only; write {match['first'] or first} if that is meant"
        )


def _value(text: str) -> int | None:
    """A number, or the number of a month or weekday."""
    if text.isdecimal():
        return int(text)
    for names, start in ((_MONTHS, 1), (_WEEKDAYS, 0)):
        if text in names:
            return names.index(text) + start
    return None


def check_time_zone(name: str) -> str:
    """A name of the IANA time zone database, such as Europe/Berlin."""
    _zone(name)
    return name


@cache
def _zone_names() -> frozenset[str]:
    """Finding them reads every file of the database: 13 ms."""
    return frozenset(available_timezones())


def _zone(name: str) -> ZoneInfo:
    try:
        # Files that some systems keep beside the zones: what they mean differs from machine to machine.
        if name.lower() in {"localtime", "posixrules", "factory"}:
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        hint = did_you_mean(name, _zone_names())
        raise ValueError(f"must be an IANA time zone such as Europe/Berlin, got {shown(name)}{hint}") from exc
