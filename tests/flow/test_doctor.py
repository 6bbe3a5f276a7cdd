"""The doctor beside a running system: what it finds, what a fix does, and what it leaves alone."""

import asyncio
from collections.abc import Sequence

import pytest

from taskrunner.domain.events import TaskAdopted, TaskSentBack, TaskSettled
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.doctor import Doctor, DoctorSettings, Finding
from taskrunner.stores.base import AttemptRef
from taskrunner.stores.inspection_store import Inspection
from tests.flow.local_runner import FORGOTTEN, HOLD, LEASE, LocalRunner

# The clock of these tests stands still in another year, and servers are set up as they come.
OF_SERVERS = {"clock_skew", "store_settings"}


async def examine(runner: LocalRunner, *, fix: bool = False, broker: bool = True) -> Sequence[Finding]:
    settings = DoctorSettings(hold=HOLD, lease=LEASE, keep=1000, fix=fix)
    relay = runner.make_relay(runner.store)
    doctor = Doctor(runner.store, runner.broker if broker else None, relay, runner.clock, settings)
    return [finding for finding in await doctor.examine() if finding.kind not in OF_SERVERS]


def told(findings: Sequence[Finding]) -> list[tuple[str, int, int | None]]:
    return [(finding.kind, finding.count, finding.fixed) for finding in findings]


async def test_a_sound_system_has_no_findings(runner: LocalRunner) -> None:
    """With tasks in several statuses, and a fix has nothing to do."""
    await runner.consumer()
    for _ in range(3):
        await runner.submit()
    await runner.heard(TaskSettled, 3)
    await runner.submit(delay=3600)
    await runner.consumers.pop().stop(1, asyncio.Event())
    await runner.submit()
    for fix in (False, True):
        assert await examine(runner, fix=fix) == []


async def test_tasks_that_the_broker_forgot_are_published_again(runner: LocalRunner) -> None:
    """A dry run changes nothing; after the fix they run, once each."""
    ids = [(await runner.submit()).id for _ in range(2)]
    runner.broker.lose("medium")
    assert await examine(runner) == []
    runner.clock.advance(FORGOTTEN + HOLD)
    for _ in range(2):
        (finding,) = await examine(runner)
        assert (finding.kind, finding.count, finding.fixed) == ("forgotten", 2, None)
        assert set(finding.examples) == set(ids)
    assert told(await examine(runner, fix=True)) == [("forgotten", 2, 2)]
    assert await examine(runner) == []
    await runner.consumer()
    await runner.heard(TaskSettled, 2)
    assert [runner.target.runs(task_id) for task_id in ids] == [1, 1]


async def test_queued_tasks_that_nobody_looked_after(runner: LocalRunner) -> None:
    """Their queue is not empty, so they are not published again."""
    await runner.submit()
    runner.clock.advance(FORGOTTEN + HOLD)
    assert told(await examine(runner, fix=True)) == [("unattended", 1, 1)]
    assert (await runner.broker.depths())["medium"] == 1
    assert await examine(runner) == []


async def test_tasks_that_no_relay_published(runner: LocalRunner) -> None:
    runner.broker.refuse_publishes = True
    submitted = await runner.submit()
    runner.broker.refuse_publishes = False
    runner.clock.advance(3 * HOLD)
    assert told(await examine(runner)) == [("unpublished", 1, None)]
    assert told(await examine(runner, fix=True)) == [("unpublished", 1, 1)]
    assert await runner.status(submitted.id) is Status.QUEUED


async def test_a_dead_lease_is_ended_and_the_task_goes_on(runner: LocalRunner) -> None:
    """As the relay would have done it: the attempt counts."""
    submitted = await runner.submit()
    runner.broker.lose("medium")
    await runner.store.claim(
        [AttemptRef(id=submitted.id, attempt=1)],
        now=runner.clock.now(),
        lease_until=runner.clock.now(),
        consumer="gone",
    )
    runner.clock.advance(2 * HOLD)
    (finding,) = await examine(runner)
    assert (finding.kind, finding.examples) == ("dead_lease", [submitted.id])
    assert told(await examine(runner, fix=True)) == [("dead_lease", 1, 1)]
    record = await runner.record(submitted.id)
    assert (record.status, record.attempt) == (Status.RETRYING, 1)


async def test_without_a_broker_nothing_is_published(runner: LocalRunner) -> None:
    """What the store alone can tell is told, and left for a relay."""
    submitted = await runner.submit()
    runner.clock.advance(FORGOTTEN + HOLD)
    (finding,) = await examine(runner, fix=True, broker=False)
    assert (finding.kind, finding.fixed, finding.repairable) == ("unattended", None, False)
    assert await runner.status(submitted.id) is Status.QUEUED


async def test_a_message_without_a_record_is_told_and_adopted_by_a_consumer(runner: LocalRunner) -> None:
    await runner.submit()
    await runner.lose_store()
    (finding,) = await examine(runner, fix=True)
    assert (finding.kind, finding.count, finding.is_left) == ("surplus_messages", 1, False)
    await runner.consumer()
    await runner.heard(TaskAdopted)
    await runner.heard(TaskSettled)
    assert await examine(runner) == []


async def test_an_alarm_of_the_broker_is_told(runner: LocalRunner) -> None:
    runner.broker.block("low on memory")
    (finding,) = await examine(runner)
    assert finding.kind == "broker_alarm"
    assert "low on memory" in finding.message


async def test_clocks_that_differ_are_told(runner: LocalRunner) -> None:
    """By how much, and who is ahead."""
    relay = runner.make_relay(runner.store)
    settings = DoctorSettings(hold=HOLD, lease=LEASE, keep=1000, fix=False)
    findings = await Doctor(runner.store, runner.broker, relay, runner.clock, settings).examine()
    (skew,) = [finding for finding in findings if finding.kind == "clock_skew"]
    assert "ahead of ours" in skew.message


async def test_what_becomes_due_during_a_long_walk_is_not_overdue(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of millions of entries takes the doctor minutes."""
    await runner.submit(delay=30)
    inspect = runner.store.inspect

    async def slowly(*, cursor: str | None, limit: int) -> Inspection:
        runner.clock.advance(60)
        return await inspect(cursor=cursor, limit=limit)

    monkeypatch.setattr(runner.store, "inspect", slowly)
    assert await examine(runner) == []


async def test_a_cancelled_task_leaves_nothing_to_do(runner: LocalRunner) -> None:
    """Its message is dropped when a consumer meets it: the doctor mentions it, and is content."""
    ids = [(await runner.submit()).id for _ in range(2)]
    await runner.cancellation.cancel(ids[0])
    (finding,) = await examine(runner)
    assert (finding.kind, finding.count, finding.is_left) == ("surplus_messages", 1, False)


@pytest.mark.parametrize(("reason", "expected"), [("expired", 2), ("maxlen", 2), ("delivery_limit", 2)])
async def test_a_policy_that_hurts_is_told(runner: LocalRunner, reason: str, expected: int) -> None:
    """By the tasks that it sent back."""
    for _ in range(2):
        await runner.submit()
    runner.collect()
    runner.broker.dead_letter_ready("medium", reason)
    await runner.heard(TaskSentBack, 2)
    findings = await examine(runner)
    assert sum(each.count for each in findings if each.kind == "broker_policy") == expected
    assert all("list_policies" in each.remedy for each in findings)
