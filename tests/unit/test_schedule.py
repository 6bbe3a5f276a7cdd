"""Schedules: what a draft must be, and what is to run when slots have passed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import ScheduleInvalid
from taskrunner.domain.schedules.schedule import (
    MissedPolicy,
    Overlap,
    Schedule,
    decode_schedule,
    plan,
    slot_delay,
    slot_task_id,
)
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TASK = {"url": "http://target.test/"}
HOURLY = Schedule(
    name="report",
    cron="@hourly",
    task=json.dumps(TASK),
    created_at=NOON,
    updated_at=NOON,
    timetable_since=NOON,
    next_at=NOON.replace(hour=9),
)


def hours(*clock: int) -> tuple[datetime, ...]:
    return tuple(NOON.replace(hour=hour) for hour in clock)


def planned(schedule: Schedule, now: datetime) -> tuple[datetime, ...]:
    return plan(schedule, now=now, grace=60.0, catch_up=100).slots


@pytest.mark.parametrize(
    ("missed", "late", "on_time"),
    [
        (MissedPolicy.SKIP, (), hours(12)),
        (MissedPolicy.ONCE, hours(12), hours(12)),
        (MissedPolicy.ALL, hours(9, 10, 11, 12), hours(9, 10, 11, 12)),
    ],
)
def test_three_hours_of_downtime(
    missed: MissedPolicy, late: tuple[datetime, ...], on_time: tuple[datetime, ...]
) -> None:
    """Back at 12:30 all four were missed; back at 12:00:30 the last of them is in time."""
    schedule = replace(HOURLY, missed=missed)
    assert planned(schedule, NOON + timedelta(minutes=30)) == late
    assert planned(schedule, NOON + timedelta(seconds=30)) == on_time


def test_the_next_slot_is_ahead() -> None:
    """Whatever runs, nothing that has passed comes again."""
    now = NOON + timedelta(minutes=30)
    assert plan(HOURLY, now=now, grace=60.0, catch_up=100).next_at == NOON.replace(hour=13)


def test_catching_up_is_bounded() -> None:
    """The latest of a year are made up for."""
    yearly = replace(HOURLY, missed=MissedPolicy.ALL, next_at=NOON - timedelta(days=365))
    assert plan(yearly, now=NOON, grace=60.0, catch_up=3).slots == hours(10, 11, 12)


def test_without_overlap_one_slot_runs_at_once() -> None:
    """Even by the policy that makes up for all."""
    schedule = replace(HOURLY, missed=MissedPolicy.ALL, overlap=Overlap.SKIP)
    assert planned(schedule, NOON + timedelta(minutes=30)) == hours(12)


def test_a_slot_has_one_task_id() -> None:
    """By its time in UTC, so that the two hours of a fold have two."""
    assert slot_task_id("report", NOON) == "report-20260101T120000Z"


def test_jitter_is_the_same_for_everybody_and_bounded() -> None:
    delays = [slot_delay(f"report-{number}", 30.0) for number in range(100)]
    assert delays == [slot_delay(f"report-{number}", 30.0) for number in range(100)]
    assert timedelta() <= min(delays) < max(delays) <= timedelta(seconds=30)
    assert slot_delay("report", 0.0) == timedelta()


def test_a_schedule_comes_back_as_it_was() -> None:
    """Numbers of any size in a body included."""
    full = replace(
        HOURLY, task='{"url":"http://a/", "body":{"n":1.10,"n":2,"t":"ä\\ud83d"}}', last_at=NOON, error="e"
    )
    assert decode_schedule(encode(full)) == full


def draft(**fields: Any) -> ScheduleDraft:
    return ScheduleDraft.from_fields({"cron": "0 6 * * *", "task": TASK, **fields}, TaskLimits())


def test_a_draft_becomes_a_schedule() -> None:
    """Its first slot is the next one, in its own time zone."""
    schedule = draft(time_zone="Europe/Berlin", missed="all", overlap="skip").to_schedule("a", now=NOON)
    assert schedule.next_at == datetime(2026, 1, 2, 5, tzinfo=UTC)
    assert (schedule.missed, schedule.overlap, schedule.paused) == (MissedPolicy.ALL, Overlap.SKIP, False)


def test_resuming_goes_on_with_the_next_slot() -> None:
    paused = replace(HOURLY, paused=True, next_at=None, error="an old one")
    resumed = paused.resumed(NOON + timedelta(minutes=1))
    assert (resumed.next_at, resumed.paused, resumed.error) == (NOON.replace(hour=13), False, None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"missed": "maybe"}, "missed"),
        ({"jitter": -1}, "jitter"),
        ({"jitter": 90_000}, "jitter"),
        ({"crom": "x"}, "crom"),
        ({"task": {}}, "task.url"),
        ({"task": {"url": "ftp://a/"}}, "task.url"),
        ({"task": {**TASK, "timeout": 9e9}}, "task.timeout"),
        ({"task": {**TASK, "delay": 5}}, "task.delay"),
        ({"task": {**TASK, "run_at": "2030-01-01T00:00:00Z"}}, "task.run_at"),
        ({"task": {**TASK, "expires_at": "2030-01-01T00:00:00Z"}}, "task.expires_at"),
        ({"task": {**TASK, "id": "one"}}, "task.id"),
        ({"task": {**TASK, "write_concern": "store"}}, "task.write_concern"),
        ({"task": "x"}, "task"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        draft(**fields)
    assert [error.field for error in caught.value.errors] == [field]


def test_a_refusal_shows_no_secret() -> None:
    """Neither of the task's headers nor of its body."""
    with pytest.raises(ScheduleInvalid) as caught:
        draft(task={**TASK, "headers": {"Authorization": "s3cret\n"}, "body": 5, "body_base64": "s3cret!"})
    assert "s3cret" not in str(caught.value)
