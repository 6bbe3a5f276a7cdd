"""A moment: a time that a client names, in the one spelling and the one range that every stage accepts."""

import re
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from taskrunner.domain.messages import shown

# RFC 3339 5.6, which allows small letters. A second 60 is left out: no leap second is announced.
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII | re.IGNORECASE
)
# Stores count from 1970, and in any zone the calendar has another day. Go's zero time is in year 1.
FIRST_YEAR, LAST_YEAR = 1970, MAXYEAR - 1


def check_moment(moment: datetime) -> datetime:
    """`moment` in UTC. Raises `ValueError` for a year that not every stage can hold."""
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        in_utc = None
    if in_utc is None or not FIRST_YEAR <= in_utc.year <= LAST_YEAR:
        raise ValueError(
            f"must lie between the years {FIRST_YEAR} and {LAST_YEAR} in UTC, got {moment.isoformat()}; "
            "leave it out for a task without it"
        )
    return in_utc


def _read(given: Any) -> Any:
    if given is None:
        return None
    if isinstance(given, datetime):
        return check_moment(given)
    if not isinstance(given, str) or not _RFC_3339.fullmatch(given):
        raise ValueError(f"must be a time by RFC 3339, such as 2030-01-31T08:00:00Z, got {shown(given)}")
    try:
        moment = datetime.fromisoformat(given.upper())
    except ValueError as exc:
        raise ValueError(f"is not a time of the calendar ({exc}), got {shown(given)}") from exc
    return check_moment(moment)


Moment = Annotated[
    datetime, BeforeValidator(_read), WithJsonSchema({"type": "string", "format": "date-time"})
]
