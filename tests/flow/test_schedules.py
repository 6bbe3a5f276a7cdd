"""Schedules end to end: each slot has one run, whoever dies and however many look."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from taskrunner.domain.draft import TaskRules
from taskrunner.domain.errors import ScheduleUnknown, StateConflict, StoreUnavailable
from taskrunner.domain.events import ScheduleFailed, TasksAccepted, TaskSettled
from taskrunner.domain.limits import Limits
from taskrunner.domain.schedule import Schedule
from taskrunner.domain.schedule_draft import ScheduleDraft
from taskrunner.domain.status import Status
from taskrunner.producer.scheduler import Scheduler, SchedulerSettings
from taskrunner.stores.base import AttemptRef, Store, StoredSchedule
from tests.flow.house import House
from tests.tools.clock import ManualClock
from tests.tools.severed import Cut, severable

HOUR = 3600.0
TASK = {"url": "http://target.test/report"}


def draft(**fields: Any) -> ScheduleDraft:
    return ScheduleDraft.from_fields({"cron": "@hourly", "task": TASK, **fields}, Limits())


async def create(house: House, name: str = "report", **fields: Any) -> Schedule:
    return await house.schedules.create(name, draft(**fields))


async def made(house: House) -> list[str]:
    """The ids of all tasks, by slot."""
    page = await house.store.list_tasks(None, limit=200, cursor=None)
    return sorted(record.task.id for record in page.items)


def ids(*hours: int, name: str = "report", minute: int = 0) -> list[str]:
    return [f"{name}-20260101T{hour:02}{minute:02}00Z" for hour in hours]


def jump(house: House, moment: datetime) -> None:
    house.clock.advance((moment - house.clock.now()).total_seconds())


async def test_a_slot_runs_at_its_time(house: House) -> None:
    """Not a second before; the task has the template's fields, the schedule's label and the slot's time."""
    await create(house, task={**TASK, "method": "POST", "labels": {"team": "a"}, "body": {"n": 1}})
    await house.consumer()
    scheduler = house.make_scheduler()
    house.clock.advance(HOUR - 1)
    await scheduler.turn()
    assert await made(house) == []
    house.clock.advance(1)
    await scheduler.turn()
    assert await made(house) == ids(13)
    await house.later(0)
    await house.heard(TaskSettled)
    record = await house.record(ids(13)[0])
    assert (record.status, record.task.method, record.task.body) == (Status.SUCCEEDED, "POST", '{"n":1}')
    assert record.task.labels == {"schedule": "report", "team": "a"}
    assert record.task.run_at == datetime(2026, 1, 1, 13, tzinfo=UTC)
    schedule = await house.schedules.get("report")
    assert (schedule.last_task_id, schedule.last_at) == (ids(13)[0], record.task.run_at)
    assert schedule.next_at == datetime(2026, 1, 1, 14, tzinfo=UTC)


@pytest.mark.parametrize("method", ["due_schedules", "save_schedule"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_a_scheduler_dies(house: House, method: str, cut: Cut) -> None:
    """At any point: another one makes the slot's task, or finds that it is made."""
    await create(house)
    await create(house, "second")
    store, _ = severable(house.store, method, cut)
    house.clock.advance(HOUR)
    with pytest.raises(StoreUnavailable):
        await house.make_scheduler(store).turn()
    await house.make_scheduler().turn()
    assert await made(house) == [*ids(13), *ids(13, name="second")]
    await house.consumer()
    await house.later(0)
    await house.heard(TaskSettled, 2)
    assert sorted(house.target.ledger) == [(ids(13)[0], 1), (ids(13, name="second")[0], 1)]


async def test_many_schedulers_race(house: House) -> None:
    """Over a day of hours each slot has one task, and one scheduler that counts it."""
    await create(house)
    schedulers = [house.make_scheduler() for _ in range(4)]
    for _ in range(6):
        house.clock.advance(HOUR)
        await asyncio.gather(*(scheduler.turn() for scheduler in schedulers))
    assert await made(house) == ids(13, 14, 15, 16, 17, 18)
    assert sum(event.count for event in house.told(TasksAccepted)) == 6


def _remembering(store: Store, seen: StoredSchedule) -> Store:
    """The store, but what is due is what it was."""

    class Remembering:
        async def due_schedules(self, **_: Any) -> list[StoredSchedule]:
            return [seen]

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    return cast(Store, Remembering())


async def test_a_scheduler_that_slept_makes_no_second_run(house: House) -> None:
    """It read the schedule, stood still while the run came and went and was forgotten, and then writes."""
    await create(house)
    house.clock.advance(HOUR)
    (seen,) = await house.store.due_schedules(now=house.clock.now(), limit=9)
    await house.make_scheduler().turn()
    first = AttemptRef(id=ids(13)[0], attempt=1)
    await house.store.fail([first], now=house.clock.now(), reason="r", error="e", keep=0.001)
    await house.store.prune(now=house.clock.now() + timedelta(seconds=9), limit=9)
    assert await made(house) == []
    sleeper = house.make_scheduler(_remembering(house.store, seen))
    await sleeper.turn()
    assert await made(house) == []


@pytest.mark.parametrize(
    ("missed", "hours"), [("skip", ()), ("once", (15,)), ("all", (13, 14, 15))], ids=["skip", "once", "all"]
)
async def test_three_hours_of_downtime(house: House, missed: str, hours: tuple[int, ...]) -> None:
    """By the schedule's policy; after it the slots come as ever."""
    await create(house, missed=missed)
    house.clock.advance(3 * HOUR + 600)
    await house.make_scheduler().turn()
    assert await made(house) == ids(*hours)
    await house.make_scheduler().turn()
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    late = ids(16) if missed != "skip" else []
    assert await made(house) == [*ids(*hours), *late]


async def test_making_up_is_bounded(house: House) -> None:
    """The latest five, by the settings of this house."""
    await create(house, cron="*/10 * * * *", missed="all")
    house.clock.advance(30 * 24 * HOUR)
    await house.make_scheduler().turn()
    assert len(await made(house)) == 5


async def test_the_spring_gap(house: House) -> None:
    """02:30 of Berlin is left out on 2026-03-29: its run comes at 03:00, once."""
    jump(house, datetime(2026, 3, 28, 12, tzinfo=UTC))
    await create(house, cron="30 2 * * *", time_zone="Europe/Berlin")
    for _ in range(24 * 4):
        house.clock.advance(HOUR / 2)
        await house.make_scheduler().turn()
    assert await made(house) == ["report-20260329T010000Z", "report-20260330T003000Z"]


async def test_the_autumn_fold(house: House) -> None:
    """02:30 of Berlin comes twice on 2026-10-25 and runs once."""
    jump(house, datetime(2026, 10, 24, 12, tzinfo=UTC))
    await create(house, cron="30 2 * * *", time_zone="Europe/Berlin")
    for _ in range(24 * 4):
        house.clock.advance(HOUR / 2)
        await house.make_scheduler().turn()
    assert await made(house) == ["report-20261025T003000Z", "report-20261026T013000Z"]


async def test_a_clock_that_goes_back_repeats_nothing(house: House) -> None:
    """Nor does another machine whose clock is behind."""
    await create(house)
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    behind = ManualClock()
    behind.advance(HOUR - 300)
    for _ in range(3):
        await house.make_scheduler(clock=behind).turn()
        behind.advance(300)
    assert await made(house) == ids(13)


async def test_without_overlap_a_slot_waits_for_the_run_before(house: House) -> None:
    """A slot whose predecessor still runs is passed over."""
    await create(house, overlap="skip")
    scheduler = house.make_scheduler()
    house.clock.advance(HOUR)
    await scheduler.turn()
    house.clock.advance(HOUR)
    await scheduler.turn()
    assert await made(house) == ids(13)
    await house.consumer()
    await house.later(0)
    await house.heard(TaskSettled)
    house.clock.advance(HOUR)
    await scheduler.turn()
    assert await made(house) == ids(13, 15)


async def test_jitter_makes_a_run_late(house: House) -> None:
    """By a part of it, the same for every scheduler."""
    await create(house, jitter=600)
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    record = await house.record(ids(13)[0])
    assert record.due is not None
    assert timedelta() <= record.due - house.clock.now() <= timedelta(seconds=600)


async def test_a_paused_schedule_rests(house: House) -> None:
    """What passes while it is paused is no missed slot."""
    await create(house, missed="all")
    paused = await house.schedules.pause("report")
    assert (paused.paused, paused.next_at) == (True, None)
    house.clock.advance(3 * HOUR + 60)
    await house.make_scheduler().turn()
    resumed = await house.schedules.resume("report")
    assert resumed.next_at == datetime(2026, 1, 1, 16, tzinfo=UTC)
    await house.make_scheduler().turn()
    assert await made(house) == []
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    assert await made(house) == ids(16)


async def test_running_now_is_no_slot(house: House) -> None:
    """It runs at once, also while paused, and its slots stay as they are."""
    before = await create(house)
    await house.schedules.pause("report")
    await house.consumer()
    submitted = await house.schedules.run("report")
    await house.heard(TaskSettled)
    assert (await house.record(submitted.id)).task.labels == {"schedule": "report"}
    resumed = await house.schedules.resume("report")
    assert (resumed.next_at, resumed.last_at) == (before.next_at, None)


async def test_a_change_keeps_what_was(house: House) -> None:
    """Its pause, its last run, and a slot that is due right now unless the times are what is changed."""
    await create(house)
    house.clock.advance(HOUR)
    _, is_new = await house.schedules.put("report", draft(task={"url": "http://target.test/other"}))
    assert not is_new
    await house.make_scheduler().turn()
    assert (await house.record(ids(13)[0])).task.url == "http://target.test/other"
    changed, _ = await house.schedules.put("report", draft(cron="30 * * * *"))
    assert changed.next_at == datetime(2026, 1, 1, 13, 30, tzinfo=UTC)
    assert changed.last_task_id == ids(13)[0]
    await house.schedules.pause("report")
    changed, _ = await house.schedules.put("report", draft(cron="45 * * * *"))
    assert (changed.paused, changed.next_at) == (True, None)


async def test_a_deleted_schedule_is_unknown(house: House) -> None:
    """Its tasks go on, and its name is free."""
    await create(house)
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    await house.schedules.delete("report")
    for call in (house.schedules.get, house.schedules.pause, house.schedules.run, house.schedules.delete):
        with pytest.raises(ScheduleUnknown):
            await call("report")
    assert await house.status(ids(13)[0]) is Status.SCHEDULED
    await create(house)
    with pytest.raises(StateConflict):
        await create(house)


async def test_a_template_that_is_no_longer_allowed(house: House) -> None:
    """The slot passes, the schedule and the log say why, and the next slot is tried."""
    await create(house, task={**TASK, "timeout": 600})
    narrow = TaskRules(limits=Limits(max_timeout=60))
    scheduler = Scheduler(house.store, house.events, house.clock, narrow, SchedulerSettings())
    house.clock.advance(HOUR)
    await scheduler.turn()
    schedule = await house.schedules.get("report")
    assert "timeout" in (schedule.error or "")
    assert schedule.next_at == datetime(2026, 1, 1, 14, tzinfo=UTC)
    assert [event.name for event in house.told(ScheduleFailed)] == ["report"]
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    assert (await house.schedules.get("report")).error is None
    assert await made(house) == ids(14)


async def test_one_that_cannot_be_read_holds_up_nobody(house: House) -> None:
    """It may be a newer version's, so it is left as it is and looked at again later."""
    strange = StoredSchedule(name="a", version="v", encoded=b'{"name":"a"}', next_at=house.clock.now())
    await house.store.save_schedule(strange, expected=None)
    await create(house)
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    assert await made(house) == ids(13)
    assert len(house.told(ScheduleFailed)) == 1
    await house.make_scheduler().turn()
    assert len(house.told(ScheduleFailed)) == 1


async def test_a_time_zone_that_is_gone_pauses_the_schedule(house: House) -> None:
    """A machine without it cannot tell what comes next: that is for a human."""
    schedule = await create(house)
    found = await house.store.schedule("report")
    assert found is not None
    encoded = found.encoded.replace(b'"UTC"', b'"Mars/Base"')
    lost = StoredSchedule(name="report", version="v", encoded=encoded, next_at=schedule.next_at)
    await house.store.save_schedule(lost, expected=found.version)
    house.clock.advance(HOUR)
    await house.make_scheduler().turn()
    paused = await house.schedules.get("report")
    assert (paused.paused, paused.next_at) == (True, None)
    assert "Mars/Base" in (paused.error or "")
