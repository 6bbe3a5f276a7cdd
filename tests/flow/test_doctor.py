"""The doctor beside a running system: what it finds, what a fix does, and what it leaves alone."""

import asyncio
from collections.abc import Sequence

import pytest

from taskrunner.domain.events import TaskAdopted, TaskSettled
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.producer.doctor import Doctor, DoctorSettings, Finding
from taskrunner.stores.base import AttemptRef
from taskrunner.stores.inspection import Inspection
from tests.flow.house import FORGOTTEN, HOLD, LEASE, House

# The clock of these tests stands still in another year, and servers are set up as they come.
OF_SERVERS = {"clock_skew", "store_settings"}


async def examine(house: House, *, fix: bool = False, broker: bool = True) -> Sequence[Finding]:
    settings = DoctorSettings(hold=HOLD, lease=LEASE, keep=1000, fix=fix)
    relay = house.make_relay(house.store)
    doctor = Doctor(house.store, house.broker if broker else None, relay, house.clock, settings)
    return [finding for finding in await doctor.examine() if finding.kind not in OF_SERVERS]


def told(findings: Sequence[Finding]) -> list[tuple[str, int, int | None]]:
    return [(finding.kind, finding.count, finding.fixed) for finding in findings]


async def test_a_sound_system_has_no_findings(house: House) -> None:
    """With tasks in several statuses, and a fix has nothing to do."""
    await house.consumer()
    for _ in range(3):
        await house.submit()
    await house.heard(TaskSettled, 3)
    await house.submit(delay=3600)
    await house.consumers.pop().stop(1, asyncio.Event())
    await house.submit()
    for fix in (False, True):
        assert await examine(house, fix=fix) == []


async def test_tasks_that_the_broker_forgot_are_published_again(house: House) -> None:
    """A dry run changes nothing; after the fix they run, once each."""
    ids = [(await house.submit()).id for _ in range(2)]
    house.broker.lose(Lane.MEDIUM)
    assert await examine(house) == []
    house.clock.advance(FORGOTTEN + HOLD)
    for _ in range(2):
        (finding,) = await examine(house)
        assert (finding.kind, finding.count, finding.fixed) == ("forgotten", 2, None)
        assert set(finding.examples) == set(ids)
    assert told(await examine(house, fix=True)) == [("forgotten", 2, 2)]
    assert await examine(house) == []
    await house.consumer()
    await house.heard(TaskSettled, 2)
    assert [house.target.runs(task_id) for task_id in ids] == [1, 1]


async def test_queued_tasks_that_nobody_looked_after(house: House) -> None:
    """Their lane is not empty, so they are not published again."""
    await house.submit()
    house.clock.advance(FORGOTTEN + HOLD)
    assert told(await examine(house, fix=True)) == [("unattended", 1, 1)]
    assert (await house.broker.depths())[Lane.MEDIUM] == 1
    assert await examine(house) == []


async def test_tasks_that_no_relay_published(house: House) -> None:
    house.broker.refuse_publishes = True
    submitted = await house.submit()
    house.broker.refuse_publishes = False
    house.clock.advance(3 * HOLD)
    assert told(await examine(house)) == [("unpublished", 1, None)]
    assert told(await examine(house, fix=True)) == [("unpublished", 1, 1)]
    assert await house.status(submitted.id) is Status.QUEUED


async def test_a_dead_lease_is_ended_and_the_task_goes_on(house: House) -> None:
    """As the relay would have done it: the attempt counts."""
    submitted = await house.submit()
    house.broker.lose(Lane.MEDIUM)
    await house.store.claim(
        [AttemptRef(id=submitted.id, attempt=1)],
        now=house.clock.now(),
        lease_until=house.clock.now(),
        consumer="gone",
    )
    house.clock.advance(2 * HOLD)
    (finding,) = await examine(house)
    assert (finding.kind, finding.examples) == ("dead_lease", [submitted.id])
    assert told(await examine(house, fix=True)) == [("dead_lease", 1, 1)]
    record = await house.record(submitted.id)
    assert (record.status, record.attempt) == (Status.RETRYING, 1)


async def test_without_a_broker_nothing_is_published(house: House) -> None:
    """What the store alone can tell is told, and left for a relay."""
    submitted = await house.submit()
    house.clock.advance(FORGOTTEN + HOLD)
    (finding,) = await examine(house, fix=True, broker=False)
    assert (finding.kind, finding.fixed, finding.repairable) == ("unattended", None, False)
    assert await house.status(submitted.id) is Status.QUEUED


async def test_a_message_without_a_record_is_told_and_adopted_by_a_consumer(house: House) -> None:
    await house.submit()
    await house.lose_store()
    (finding,) = await examine(house, fix=True)
    assert (finding.kind, finding.count, finding.is_left) == ("surplus_messages", 1, True)
    await house.consumer()
    await house.heard(TaskAdopted)
    await house.heard(TaskSettled)
    assert await examine(house) == []


async def test_an_alarm_of_the_broker_is_told(house: House) -> None:
    house.broker.block("low on memory")
    (finding,) = await examine(house)
    assert finding.kind == "broker_alarm"
    assert "low on memory" in finding.says


async def test_clocks_that_differ_are_told(house: House) -> None:
    """By how much, and who is ahead."""
    relay = house.make_relay(house.store)
    settings = DoctorSettings(hold=HOLD, lease=LEASE, keep=1000, fix=False)
    findings = await Doctor(house.store, house.broker, relay, house.clock, settings).examine()
    (skew,) = [finding for finding in findings if finding.kind == "clock_skew"]
    assert "ahead of ours" in skew.says


async def test_what_becomes_due_during_a_long_walk_is_not_overdue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of millions of entries takes the doctor minutes."""
    await house.submit(delay=30)
    inspect = house.store.inspect

    async def slowly(*, cursor: str | None, limit: int) -> Inspection:
        house.clock.advance(60)
        return await inspect(cursor=cursor, limit=limit)

    monkeypatch.setattr(house.store, "inspect", slowly)
    assert await examine(house) == []
