"""Schedules whose tasks have a dedup key: one alive at a time, whoever dies and however many look."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import TasksAccepted, TasksCancelled, TaskSettled
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.scheduler import Scheduler
from tests.flow.local_runner import LocalRunner
from tests.flow.test_schedules import HOUR, TASK, create, ids, made
from tests.tools.severed import Cut, severable


async def hourly(runner: LocalRunner, mode: str = "return", **dedup: Any) -> Scheduler:
    await create(runner, task={**TASK, "dedup": {"key": "k", "mode": mode, **dedup}})
    return runner.make_scheduler()


async def hours(runner: LocalRunner, scheduler: Scheduler, count: int = 1) -> None:
    for _ in range(count):
        runner.clock.advance(HOUR)
        await scheduler.turn()


async def status_of(runner: LocalRunner, hour: int) -> Status:
    return (await runner.record(ids(hour)[0])).status


@pytest.mark.parametrize("mode", ["return", "reject"])
async def test_a_slot_passes_while_the_last_task_is_alive(runner: LocalRunner, mode: str) -> None:
    """The next slot after its end has a task again; the schedule names the last task that was made."""
    scheduler = await hourly(runner, mode)
    await hours(runner, scheduler, 3)
    assert await made(runner) == ids(13)
    schedule = await runner.schedules.get("report")
    assert (schedule.last_task_id, schedule.error) == (ids(13)[0], None)
    assert schedule.next_at is not None
    assert schedule.next_at.hour == 16
    await runner.cancellation.cancel(ids(13)[0])
    await hours(runner, scheduler)
    assert await made(runner) == ids(13, 16)
    assert sum(event.count for event in runner.log if isinstance(event, TasksAccepted)) == 2


async def test_the_newest_slot_replaces_a_task_that_still_waits(runner: LocalRunner) -> None:
    scheduler = await hourly(runner, "replace")
    await hours(runner, scheduler, 3)
    found = [await status_of(runner, hour) for hour in (13, 14, 15)]
    assert found == [Status.CANCELLED, Status.CANCELLED, Status.SCHEDULED]
    assert (await runner.schedules.get("report")).last_task_id == ids(15)[0]
    assert sum(event.count for event in runner.log if isinstance(event, TasksCancelled)) == 2


async def test_a_ttl_spaces_the_runs(runner: LocalRunner) -> None:
    scheduler = await hourly(runner, ttl="2h")
    await hours(runner, scheduler)
    await runner.consumer()
    await runner.later(0)
    await runner.heard(TaskSettled)
    await hours(runner, scheduler)
    assert await made(runner) == ids(13)
    await hours(runner, scheduler)
    assert await made(runner) == ids(13, 15)


async def test_a_schedule_and_submits_share_a_key(runner: LocalRunner) -> None:
    submitted = await runner.submit(delay=5 * HOUR, dedup={"key": "k"})
    scheduler = await hourly(runner)
    await hours(runner, scheduler)
    assert await made(runner) == [submitted.id]


@pytest.mark.parametrize("mode", ["return", "replace"])
@pytest.mark.parametrize("method", ["accept", "replace", "save_schedule"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_a_scheduler_dies(runner: LocalRunner, mode: str, method: str, cut: Cut) -> None:
    """At any point: another one makes the slot's task, or finds that it is made, and one is alive."""
    scheduler = await hourly(runner, mode)
    await hours(runner, scheduler)
    store, line = severable(runner.store, method, cut)
    runner.clock.advance(HOUR)
    dying = runner.make_scheduler(store)
    if method == "replace" and mode == "return":
        await dying.turn()
        assert not line.severed
    else:
        with pytest.raises(StoreUnavailable):
            await dying.turn()
    await runner.make_scheduler().turn()
    counts = await runner.store.counts()
    assert counts[Status.SCHEDULED] == 1
    assert await made(runner) == (ids(13, 14) if mode == "replace" else ids(13))
    assert (await runner.schedules.get("report")).next_at is not None


async def test_many_schedulers_race(runner: LocalRunner) -> None:
    await hourly(runner, "replace")
    schedulers = [runner.make_scheduler() for _ in range(4)]
    for _ in range(6):
        runner.clock.advance(HOUR)
        await asyncio.gather(*(scheduler.turn() for scheduler in schedulers))
    counts = await runner.store.counts()
    assert (counts[Status.SCHEDULED], counts[Status.CANCELLED]) == (1, 5)
    assert sum(event.count for event in runner.log if isinstance(event, TasksAccepted)) == 6


@pytest.mark.parametrize("mode", ["return", "replace"])
async def test_a_schedule_that_was_deleted_starts_nothing(
    runner: LocalRunner, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it was read before, and its task was accepted after: that one is taken back."""
    scheduler = await hourly(runner, mode)
    runner.clock.advance(HOUR)
    accept = runner.store.accept

    async def accept_late(*args: Any, **options: Any) -> Any:
        await runner.schedules.delete("report")
        return await accept(*args, **options)

    monkeypatch.setattr(runner.store, "accept", accept_late)
    await scheduler.turn()
    assert await made(runner) == []
    assert sum((await runner.store.counts()).values()) == 0


async def test_a_slot_that_ran_before_the_deletion_stays(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another scheduler has made its task, and then the schedule was deleted: its tasks go on."""
    scheduler = await hourly(runner)
    runner.clock.advance(HOUR)
    accept = runner.store.accept

    async def accept_later(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(runner.store, "accept", accept)
        await runner.make_scheduler().turn()
        await runner.schedules.delete("report")
        return await accept(*args, **options)

    monkeypatch.setattr(runner.store, "accept", accept_later)
    await scheduler.turn()
    assert await made(runner) == ids(13)
