"""Schedules end to end: each slot has one run, whoever dies and however many look."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import ScheduleUnknown, StateConflict, StoreUnavailable
from taskrunner.domain.events import ScheduleFailed, TasksAccepted, TaskSettled
from taskrunner.domain.schedules.schedule import Schedule
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings, TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.scheduler import Scheduler
from taskrunner.producer.settings import SchedulerSettings
from taskrunner.stores.base import AttemptRef, Store, StoredSchedule
from tests.flow.local_runner import LocalRunner
from tests.tools.clock import ManualClock
from tests.tools.severed import Cut, severable

HOUR = 3600.0
TASK = {"url": "http://target.test/report"}


def draft(**fields: Any) -> ScheduleDraft:
    return ScheduleDraft.from_fields({"cron": "@hourly", "task": TASK, **fields}, TaskLimits())


async def create(runner: LocalRunner, name: str = "report", **fields: Any) -> Schedule:
    return await runner.schedules.create(name, draft(**fields))


async def made(runner: LocalRunner) -> list[str]:
    """The ids of all tasks, by slot."""
    page = await runner.store.list_tasks(None, limit=200, cursor=None)
    return sorted(record.task.id for record in page.items)


def ids(*hours: int, name: str = "report", minute: int = 0) -> list[str]:
    return [f"{name}-20260101T{hour:02}{minute:02}00Z" for hour in hours]


def jump(runner: LocalRunner, moment: datetime) -> None:
    runner.clock.advance((moment - runner.clock.now()).total_seconds())


async def test_a_slot_runs_at_its_time(runner: LocalRunner) -> None:
    """Not a second before; the task has the template's fields, the schedule's label and the slot's time."""
    await create(runner, task={**TASK, "method": "POST", "labels": {"team": "a"}, "body": {"n": 1}})
    await runner.consumer()
    scheduler = runner.make_scheduler()
    runner.clock.advance(HOUR - 1)
    await scheduler.turn()
    assert await made(runner) == []
    runner.clock.advance(1)
    await scheduler.turn()
    assert await made(runner) == ids(13)
    await runner.later(0)
    await runner.heard(TaskSettled)
    record = await runner.record(ids(13)[0])
    assert (record.status, record.task.method, record.task.body) == (Status.SUCCEEDED, "POST", '{"n":1}')
    assert record.task.labels == {"schedule": "report", "team": "a"}
    assert record.task.run_at == datetime(2026, 1, 1, 13, tzinfo=UTC)
    schedule = await runner.schedules.get("report")
    assert (schedule.last_task_id, schedule.last_at) == (ids(13)[0], record.task.run_at)
    assert schedule.next_at == datetime(2026, 1, 1, 14, tzinfo=UTC)


@pytest.mark.parametrize("method", ["due_schedules", "save_schedule"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_a_scheduler_dies(runner: LocalRunner, method: str, cut: Cut) -> None:
    """At any point: another one makes the slot's task, or finds that it is made."""
    await create(runner)
    await create(runner, "second")
    store, _ = severable(runner.store, method, cut)
    runner.clock.advance(HOUR)
    with pytest.raises(StoreUnavailable):
        await runner.make_scheduler(store).turn()
    await runner.make_scheduler().turn()
    assert await made(runner) == [*ids(13), *ids(13, name="second")]
    await runner.consumer()
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    assert sorted(runner.target.ledger) == [(ids(13)[0], 1), (ids(13, name="second")[0], 1)]


async def test_many_schedulers_race(runner: LocalRunner) -> None:
    """Over a day of hours each slot has one task, and one scheduler that counts it."""
    await create(runner)
    schedulers = [runner.make_scheduler() for _ in range(4)]
    for _ in range(6):
        runner.clock.advance(HOUR)
        await asyncio.gather(*(scheduler.turn() for scheduler in schedulers))
    assert await made(runner) == ids(13, 14, 15, 16, 17, 18)
    assert sum(event.count for event in runner.told(TasksAccepted)) == 6


def _remembering(store: Store, seen: StoredSchedule) -> Store:
    """The store, but what is due is what it was."""

    class Remembering:
        async def due_schedules(self, **_: Any) -> list[StoredSchedule]:
            return [seen]

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    return cast(Store, Remembering())


async def test_a_scheduler_that_slept_makes_no_second_run(runner: LocalRunner) -> None:
    """It read the schedule, stood still while the run came and went and was forgotten, and then writes."""
    await create(runner)
    runner.clock.advance(HOUR)
    (seen,) = await runner.store.due_schedules(now=runner.clock.now(), limit=9)
    await runner.make_scheduler().turn()
    first = AttemptRef(id=ids(13)[0], attempt=1)
    await runner.store.fail([first], now=runner.clock.now(), reason="r", error="e", retention=0.001)
    await runner.store.prune(now=runner.clock.now() + timedelta(seconds=9), limit=9)
    assert await made(runner) == []
    sleeper = runner.make_scheduler(_remembering(runner.store, seen))
    await sleeper.turn()
    assert await made(runner) == []


@pytest.mark.parametrize(
    ("missed", "hours"), [("skip", ()), ("once", (15,)), ("all", (13, 14, 15))], ids=["skip", "once", "all"]
)
async def test_three_hours_of_downtime(runner: LocalRunner, missed: str, hours: tuple[int, ...]) -> None:
    """By the schedule's policy; after it the slots come as ever."""
    await create(runner, missed=missed)
    runner.clock.advance(3 * HOUR + 600)
    await runner.make_scheduler().turn()
    assert await made(runner) == ids(*hours)
    await runner.make_scheduler().turn()
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    late = ids(16) if missed != "skip" else []
    assert await made(runner) == [*ids(*hours), *late]


async def test_making_up_is_bounded(runner: LocalRunner) -> None:
    """The latest five, by the settings of this runner."""
    await create(runner, cron="*/10 * * * *", missed="all")
    runner.clock.advance(30 * 24 * HOUR)
    await runner.make_scheduler().turn()
    assert len(await made(runner)) == 5


async def test_the_spring_gap(runner: LocalRunner) -> None:
    """02:30 of Berlin is left out on 2026-03-29: its run comes at 03:00, once."""
    jump(runner, datetime(2026, 3, 28, 12, tzinfo=UTC))
    await create(runner, cron="30 2 * * *", time_zone="Europe/Berlin")
    for _ in range(24 * 4):
        runner.clock.advance(HOUR / 2)
        await runner.make_scheduler().turn()
    assert await made(runner) == ["report-20260329T010000Z", "report-20260330T003000Z"]


async def test_the_autumn_fold(runner: LocalRunner) -> None:
    """02:30 of Berlin comes twice on 2026-10-25 and runs once."""
    jump(runner, datetime(2026, 10, 24, 12, tzinfo=UTC))
    await create(runner, cron="30 2 * * *", time_zone="Europe/Berlin")
    for _ in range(24 * 4):
        runner.clock.advance(HOUR / 2)
        await runner.make_scheduler().turn()
    assert await made(runner) == ["report-20261025T003000Z", "report-20261026T013000Z"]


async def test_a_clock_that_goes_back_repeats_nothing(runner: LocalRunner) -> None:
    """Nor does another machine whose clock is behind."""
    await create(runner)
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    behind = ManualClock()
    behind.advance(HOUR - 300)
    for _ in range(3):
        await runner.make_scheduler(clock=behind).turn()
        behind.advance(300)
    assert await made(runner) == ids(13)


async def test_without_overlap_a_slot_waits_for_the_run_before(runner: LocalRunner) -> None:
    """A slot whose predecessor still runs is passed over."""
    await create(runner, overlap="skip")
    scheduler = runner.make_scheduler()
    runner.clock.advance(HOUR)
    await scheduler.turn()
    runner.clock.advance(HOUR)
    await scheduler.turn()
    assert await made(runner) == ids(13)
    await runner.consumer()
    await runner.later(0)
    await runner.heard(TaskSettled)
    runner.clock.advance(HOUR)
    await scheduler.turn()
    assert await made(runner) == ids(13, 15)


async def test_jitter_makes_a_run_late(runner: LocalRunner) -> None:
    """By a part of it, the same for every scheduler."""
    await create(runner, jitter=600)
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    record = await runner.record(ids(13)[0])
    assert record.due is not None
    assert timedelta() <= record.due - runner.clock.now() <= timedelta(seconds=600)


async def test_a_paused_schedule_rests(runner: LocalRunner) -> None:
    """What passes while it is paused is no missed slot."""
    await create(runner, missed="all")
    paused = await runner.schedules.pause("report")
    assert (paused.paused, paused.next_at) == (True, None)
    runner.clock.advance(3 * HOUR + 60)
    await runner.make_scheduler().turn()
    resumed = await runner.schedules.resume("report")
    assert resumed.next_at == datetime(2026, 1, 1, 16, tzinfo=UTC)
    await runner.make_scheduler().turn()
    assert await made(runner) == []
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    assert await made(runner) == ids(16)


async def test_running_now_is_no_slot(runner: LocalRunner) -> None:
    """It runs at once, also while paused, and its slots stay as they are."""
    before = await create(runner)
    await runner.schedules.pause("report")
    await runner.consumer()
    submitted = await runner.schedules.run("report")
    await runner.heard(TaskSettled)
    assert (await runner.record(submitted.id)).task.labels == {"schedule": "report"}
    resumed = await runner.schedules.resume("report")
    assert (resumed.next_at, resumed.last_at) == (before.next_at, None)


async def test_a_change_keeps_what_was(runner: LocalRunner) -> None:
    """Its pause, its last run, and a slot that is due right now unless the times are what is changed."""
    await create(runner)
    runner.clock.advance(HOUR)
    _, is_new = await runner.schedules.put("report", draft(task={"url": "http://target.test/other"}))
    assert not is_new
    await runner.make_scheduler().turn()
    assert (await runner.record(ids(13)[0])).task.url == "http://target.test/other"
    changed, _ = await runner.schedules.put("report", draft(cron="30 * * * *"))
    assert changed.next_at == datetime(2026, 1, 1, 13, 30, tzinfo=UTC)
    assert changed.last_task_id == ids(13)[0]
    await runner.schedules.pause("report")
    changed, _ = await runner.schedules.put("report", draft(cron="45 * * * *"))
    assert (changed.paused, changed.next_at) == (True, None)


async def test_a_deleted_schedule_is_unknown(runner: LocalRunner) -> None:
    """Its tasks go on, and its name is free."""
    await create(runner)
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    await runner.schedules.delete("report")
    for call in (runner.schedules.get, runner.schedules.pause, runner.schedules.run, runner.schedules.delete):
        with pytest.raises(ScheduleUnknown):
            await call("report")
    assert await runner.status(ids(13)[0]) is Status.SCHEDULED
    await create(runner)
    with pytest.raises(StateConflict):
        await create(runner)


async def test_a_template_that_is_no_longer_allowed(runner: LocalRunner) -> None:
    """The slot passes, the schedule and the log say why, and the next slot is tried."""
    await create(runner, task={**TASK, "timeout": 600})
    narrow = TaskSettingsSource(TaskSettings(limits=TaskLimits(max_timeout=60)))
    scheduler = Scheduler(
        runner.store, runner.events, runner.clock, narrow, SchedulerSettings(), WebhookSource(())
    )
    runner.clock.advance(HOUR)
    await scheduler.turn()
    schedule = await runner.schedules.get("report")
    assert "timeout" in (schedule.error or "")
    assert schedule.next_at == datetime(2026, 1, 1, 14, tzinfo=UTC)
    assert [event.name for event in runner.told(ScheduleFailed)] == ["report"]
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    assert (await runner.schedules.get("report")).error is None
    assert await made(runner) == ids(14)


async def test_one_that_cannot_be_read_holds_up_nobody(runner: LocalRunner) -> None:
    """It may be a newer version's, so it is left as it is and looked at again later."""
    strange = StoredSchedule(name="a", version="v", encoded=b'{"name":"a"}', next_at=runner.clock.now())
    await runner.store.save_schedule(strange, expected=None)
    await create(runner)
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    assert await made(runner) == ids(13)
    assert len(runner.told(ScheduleFailed)) == 1
    await runner.make_scheduler().turn()
    assert len(runner.told(ScheduleFailed)) == 1


async def test_a_time_zone_that_is_gone_pauses_the_schedule(runner: LocalRunner) -> None:
    """A machine without it cannot tell what comes next: that is for a human."""
    schedule = await create(runner)
    found = await runner.store.schedule("report")
    assert found is not None
    encoded = encode(replace(schedule, time_zone="Mars/Base"))
    lost = StoredSchedule(name="report", version="v", encoded=encoded, next_at=schedule.next_at)
    await runner.store.save_schedule(lost, expected=found.version)
    runner.clock.advance(HOUR)
    await runner.make_scheduler().turn()
    paused = await runner.schedules.get("report")
    assert (paused.paused, paused.next_at) == (True, None)
    assert "Mars/Base" in (paused.error or "")
