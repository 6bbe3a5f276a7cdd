"""Every point at which a process can die between two writes: nothing is lost, nothing runs after its end."""

from contextlib import suppress

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeliveryDropped, LeaseExpired, SettleRefused, TaskSettled
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.flow.local_runner import HOLD, LEASE, LocalRunner
from tests.tools.severed import Cut, severable
from tests.tools.waiting import eventually

CUTS = list(Cut)
DRAFT = TaskDraft.from_fields({"id": "task", "url": "http://target.test/"}, TaskLimits())


@pytest.mark.parametrize("cut", CUTS)
async def test_the_submitter_dies_at_the_write(runner: LocalRunner, cut: Cut) -> None:
    """Nobody was told 202. Where the write took effect, the relay carries the task on."""
    store, _ = severable(runner.store, "accept", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_intake(store).submit(DRAFT)
    await runner.consumer()
    await runner.later(HOLD)
    if cut is Cut.BEFORE:
        assert await runner.store.get("task") is None
    else:
        await runner.until_succeeded("task", runs=1)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_submitter_dies_at_the_mark(runner: LocalRunner, cut: Cut) -> None:
    """The envelope is out, the mark may be missing: a second envelope is dropped by the fence."""
    store, _ = severable(runner.store, "mark_queued", cut)
    await runner.make_intake(store).submit(DRAFT)
    await runner.publisher.drain()
    await runner.later(HOLD)
    await runner.consumer()
    await runner.until_succeeded("task", runs=1)


async def test_the_submitter_dies_before_the_publish(runner: LocalRunner) -> None:
    """The due line that was written with the record is all that the relay needs."""
    runner.broker.disconnect()
    await runner.submit(id="task")
    runner.broker.reconnect()
    await runner.consumer()
    await runner.later(HOLD)
    await runner.until_succeeded("task", runs=1)


async def test_the_confirm_is_lost(runner: LocalRunner) -> None:
    """The broker has it but could not say so: it is published twice and run once."""
    runner.broker.answer_unknown_but_deliver = True
    submitted = await runner.submit(id="task")
    assert not submitted.published
    runner.broker.answer_unknown_but_deliver = False
    await runner.later(HOLD)
    assert (await runner.broker.depths())["medium"] == 2
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    await runner.until_succeeded("task", runs=1)


@pytest.mark.parametrize("method", ["take_due", "mark_queued"])
@pytest.mark.parametrize("cut", CUTS)
async def test_the_relay_dies(runner: LocalRunner, method: str, cut: Cut) -> None:
    """What a dead relay had taken is hidden for a while, then another one does it."""
    await runner.submit(id="task", delay=5)
    store, line = severable(runner.store, method, cut)
    runner.clock.advance(5)
    relay = runner.make_relay(store)
    # A mark that fails is no reason to stop: without it the task comes up once more.
    with suppress(StoreUnavailable):
        await relay.turn()
    assert line.severed
    await runner.consumer()
    await runner.later(HOLD)
    await runner.until_succeeded("task", runs=1)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_claim(runner: LocalRunner, cut: Cut) -> None:
    """Unclaimed it is simply delivered again; claimed by the dead it waits for the end of the lease."""
    store, line = severable(runner.store, "claim", cut)
    await runner.consumer(store)
    await runner.submit(id="task")
    await line.cut_off.wait()
    await runner.consumer()
    await runner.break_connections()
    if cut is Cut.AFTER:
        await runner.heard(DeliveryDropped)
        await runner.later(LEASE)
        await runner.heard(LeaseExpired)
        await runner.later(10)
    await runner.until_succeeded("task", runs=1)


async def test_the_consumer_dies_during_the_fetch(runner: LocalRunner) -> None:
    """The attempt counts, the next one starts when the lease is over, the late answer is refused."""
    runner.target.gate.clear()
    store, line = severable(runner.store)
    await runner.consumer(store)
    await runner.submit(id="task")
    await runner.until_runs(1)
    line.sever()
    await runner.consumer()
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    await runner.later(LEASE - 1)
    assert await runner.status("task") is Status.RUNNING
    await runner.later(1)
    runner.target.gate.set()
    await runner.later(10)
    await runner.heard(TaskSettled)
    record = await runner.record("task")
    assert [attempt.outcome for attempt in record.attempts] == [OutcomeKind.INTERRUPTED, OutcomeKind.OK]
    assert record.attempts[0].consumer == "consumer-1"
    assert runner.target.runs("task") == 2


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_settling(runner: LocalRunner, cut: Cut) -> None:
    """Settled but not acked it is not run again; not settled it is, after the lease."""
    store, _ = severable(runner.store, "settle", cut)
    await runner.consumer(store)
    await runner.submit(id="task")
    await runner.until_runs(1)
    if cut is Cut.AFTER:
        await eventually(lambda: runner.has_status("task", Status.SUCCEEDED))
    await runner.consumer()
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    if cut is Cut.BEFORE:
        await runner.later(LEASE)
        await runner.later(10)
        await runner.until_succeeded("task", runs=2)
    else:
        assert runner.target.runs("task") == 1


async def test_a_task_that_kills_every_worker_fails(runner: LocalRunner) -> None:
    """A crash counts as an attempt, so poison comes to an end, and is a dead letter."""
    runner.target.gate.clear()
    await runner.submit(id="task", max_attempts=2, retry={"strategy": "constant", "base": 0})
    for crash in (1, 2):
        store, line = severable(runner.store)
        await runner.consumer(store)
        await runner.break_connections()
        await runner.until_runs(crash)
        line.sever()
        await runner.later(LEASE)
        await runner.later(0)
    record = await runner.record("task")
    assert (record.status, record.attempt) == (Status.FAILED, 2)
    assert [letter.id for letter in (await runner.store.list_dead_letters(limit=9, cursor=None)).items] == [
        "task"
    ]


async def test_a_hung_attempt_cannot_overwrite_a_newer_one(runner: LocalRunner) -> None:
    """Its lease was lost while the process stood still; its answer comes after the newer one's."""
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task", retry={"strategy": "constant", "base": 0})
    await runner.until_runs(1)
    await runner.later(LEASE)
    await runner.later(0)
    await runner.until_runs(2)
    runner.target.gate.set()
    await runner.heard(SettleRefused)
    await runner.heard(TaskSettled)
    record = await runner.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)
    assert record.attempts[0].outcome is OutcomeKind.INTERRUPTED
