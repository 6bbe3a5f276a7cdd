"""A moment: only RFC 3339, in years that every stage can hold."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.tasks.envelope import decode_envelope, encode_envelope
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import replace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = TaskSettings()


def read(text: object, field: str = "expires_at") -> datetime | None:
    raw = json.dumps({"url": "http://h/", field: text})
    found: datetime | None = getattr(TaskDraft.from_json(raw, TaskLimits()), field)
    return found


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 1, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789-00:00", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2024-02-29T00:00:00+23:59", datetime(2024, 2, 28, 0, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read(text: str, moment: datetime) -> None:
    """In any zone; it is kept in UTC."""
    assert read(text) == moment
    assert read(text, "run_at") == moment


@pytest.mark.parametrize("field", ["run_at", "expires_at"])
@pytest.mark.parametrize(
    "given",
    [
        "60",
        "1767225600",
        "1767225600000",
        "0",
        "",
        60,
        1767225600.5,
        True,
        "now",
        "2026-01-02",
        "20260102T030405Z",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+02",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T24:00:00Z",
        "2026-13-02T03:04:05Z",
        "2026-02-29T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "2026-001T00:00:00Z",
        "2026-06-30T23:59:60Z",
        "2026-01-02T03:04:05Z ",
        "2026-01-02T03:04:05 +02:00",
        "２０２６-01-02T03:04:05Z",
        "PT60S",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "+2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05+02:00:30",
    ],
)
def test_anything_else_is_refused(field: str, given: object) -> None:
    """With the field and what was expected."""
    with pytest.raises(TaskInvalid) as caught:
        read(given, field)
    (error,) = caught.value.errors
    assert error.field == field
    assert any(word in error.message for word in ("RFC 3339", "1970", "calendar"))


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))))
def test_door_and_envelope_agree(moment: datetime) -> None:
    """A moment that one refuses is refused by the other."""
    task = TaskDraft(url="http://h/").to_task(SETTINGS, task_id="t", now=NOW)
    for field in ("run_at", "expires_at"):
        forged = encode_envelope(encode(replace(task, **{field: moment})), 1)
        try:
            accepted = read(moment.isoformat(), field)
        except TaskInvalid:
            with pytest.raises(EnvelopeUnreadable):
                decode_envelope(forged, TaskLimits())
        else:
            assert accepted == moment
            decode_envelope(forged, TaskLimits())
