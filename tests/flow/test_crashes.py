"""Every point at which a process can die between two writes: nothing is lost, nothing runs after its end."""

import asyncio
from contextlib import suppress

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import (
    DeliveryDropped,
    LeaseExpired,
    LoopFailed,
    PublishFailed,
    SettleRefused,
    TaskSettled,
)
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.task_limits import TaskLimits
from tests.flow.local_runner import DEADLINE, FORGOTTEN, HOLD, LEASE, OK, LocalRunner, http_error
from tests.tools.poisoned import poisoned
from tests.tools.severed import Cut, severable

CUTS = list(Cut)
DRAFT = TaskDraft.from_fields({"id": "task", "url": "http://target.test/"}, TaskLimits())


async def succeeds(runner: LocalRunner, task_id: str, runs: int) -> None:
    """The task ends succeeded after so many runs, and a full set of later relay turns changes nothing."""
    await runner.until(lambda: bool(runner.told(TaskSettled)), "a settlement")
    assert await runner.status(task_id) is Status.SUCCEEDED
    for _ in range(3):
        await runner.later(FORGOTTEN + LEASE)
    assert runner.target.runs(task_id) == runs
    assert (await runner.store.counts())[Status.SUCCEEDED] == 1


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
        await succeeds(runner, "task", runs=1)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_submitter_dies_at_the_mark(runner: LocalRunner, cut: Cut) -> None:
    """The envelope is out, the mark may be missing: a second envelope is dropped by the fence."""
    store, _ = severable(runner.store, "mark_queued", cut)
    await runner.make_intake(store).submit(DRAFT)
    await runner.publisher.drain()
    await runner.later(HOLD)
    await runner.consumer()
    await succeeds(runner, "task", runs=1)


async def test_the_submitter_dies_before_the_publish(runner: LocalRunner) -> None:
    """The due line that was written with the record is all that the relay needs."""
    runner.broker.disconnect()
    await runner.submit(id="task")
    runner.broker.reconnect()
    await runner.consumer()
    await runner.later(HOLD)
    await succeeds(runner, "task", runs=1)


async def test_the_confirm_is_lost(runner: LocalRunner) -> None:
    """The broker has it but could not say so: it is published twice and run once."""
    runner.broker.answer_unknown_but_deliver = True
    submitted = await runner.submit(id="task")
    assert not submitted.published
    runner.broker.answer_unknown_but_deliver = False
    await runner.later(HOLD)
    assert (await runner.broker.depths())[Priority.MEDIUM] == 2
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    await succeeds(runner, "task", runs=1)


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
    await succeeds(runner, "task", runs=1)


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
    await succeeds(runner, "task", runs=1)


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
        await wait_for_status(runner, Status.SUCCEEDED)
    await runner.consumer()
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    if cut is Cut.BEFORE:
        await runner.later(LEASE)
        await runner.later(10)
        await succeeds(runner, "task", runs=2)
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


async def test_an_outage_of_the_store_costs_no_attempt(runner: LocalRunner) -> None:
    """Leases that nobody could renew are not held against their owners when the store is back."""
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    store, line = severable(runner.store)
    relay = runner.make_relay(store)
    line.sever()
    runner.clock.advance(LEASE * 2)
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    assert not runner.told(LeaseExpired)
    runner.target.gate.set()
    await runner.heard(TaskSettled)
    record = await runner.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 1)


async def test_an_outage_of_both_services_costs_no_attempt(runner: LocalRunner) -> None:
    """A relay that waits for the broker notices that the store was away too."""
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    store, line = severable(runner.store)
    relay = runner.make_relay(store)
    runner.broker.disconnect()
    line.sever()
    runner.clock.advance(LEASE * 2)
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    runner.broker.reconnect()
    await relay.turn()
    assert not runner.told(LeaseExpired)
    runner.target.gate.set()
    await runner.heard(TaskSettled)


async def test_a_graceful_stop_lets_running_tasks_finish(runner: LocalRunner) -> None:
    """What runs is settled, what waits goes back to the broker and runs elsewhere, once."""
    runner.target.gate.clear()
    consumer = await runner.consumer(workers=1)
    for name in ("first", "second"):
        await runner.submit(id=name)
    await runner.until_runs(1)
    stopping = asyncio.create_task(consumer.stop(30, asyncio.Event()))
    await asyncio.sleep(0)
    runner.target.gate.set()
    await asyncio.wait_for(stopping, DEADLINE)
    assert await runner.status("first") is Status.SUCCEEDED
    await runner.consumer()
    await runner.heard(TaskSettled, 2)
    assert sorted(runner.target.ledger) == [("first", 1), ("second", 1)]


async def test_an_abort_does_not_count_the_attempt(runner: LocalRunner) -> None:
    """With a single attempt allowed, an interrupted one is made again and succeeds."""
    runner.target.gate.clear()
    consumer = await runner.consumer()
    await runner.submit(id="task", max_attempts=1)
    await runner.until_runs(1)
    abort = asyncio.Event()
    abort.set()
    await asyncio.wait_for(consumer.stop(10 * DEADLINE, abort), DEADLINE)
    runner.target.gate.set()
    record = await runner.record("task")
    assert (record.status, record.attempts[0].outcome) == (Status.RETRYING, OutcomeKind.INTERRUPTED)
    assert not record.attempts[0].counted
    await runner.consumer()
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    record = await runner.record("task")
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 2, 2)


async def test_the_grace_time_ends(runner: LocalRunner) -> None:
    """A task that runs for longer than the grace is given up without counting."""
    runner.target.gate.clear()
    consumer = await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await asyncio.wait_for(consumer.stop(0.05, asyncio.Event()), DEADLINE)
    assert await runner.status("task") is Status.RETRYING


async def test_the_store_is_away_when_an_attempt_ends(runner: LocalRunner) -> None:
    """The outcome is kept and settled when the store is back; nothing is acked before."""
    store, line = severable(runner.store)
    runner.target.gate.clear()
    await runner.consumer(store)
    await runner.submit(id="task")
    await runner.until_runs(1)
    line.sever()
    runner.target.gate.set()
    await runner.poll(lambda: line.refused.count("settle") > 1)
    assert await runner.status("task") is Status.RUNNING
    line.mend()
    await runner.heard(TaskSettled)
    await succeeds(runner, "task", runs=1)


async def test_an_attempt_that_cannot_be_settled_holds_up_nobody(runner: LocalRunner) -> None:
    """Its neighbours are settled; it is let go, so that its lease ends and its task runs again."""
    store, poison = poisoned(runner.store, "settle", "task")
    runner.target.gate.clear()
    consumer = await runner.consumer(store)
    for name in ("task", "neighbour"):
        await runner.submit(id=name)
    await runner.until_runs(2)
    runner.target.gate.set()
    await runner.heard(LoopFailed)
    (settled,) = await runner.heard(TaskSettled)
    assert settled.task.id == "neighbour"
    await runner.poll(lambda: consumer.in_flight == 0)
    poison.cure()
    await runner.later(LEASE)
    await runner.heard(LeaseExpired)
    await runner.later(10)
    await runner.heard(TaskSettled, 2)
    record = await runner.record("task")
    assert [attempt.outcome for attempt in record.attempts] == [OutcomeKind.INTERRUPTED, OutcomeKind.OK]


async def test_a_task_that_cannot_be_claimed_holds_up_nobody(runner: LocalRunner) -> None:
    """Its neighbours run; it is tried again, and runs once that works."""
    store, poison = poisoned(runner.store, "claim", "task")
    for name in ("task", "neighbour"):
        await runner.submit(id=name)
    await runner.consumer(store)
    (settled,) = await runner.heard(TaskSettled)
    assert settled.task.id == "neighbour"
    assert runner.told(LoopFailed)
    poison.cure()
    await runner.heard(TaskSettled, 2)
    assert await runner.status("task") is Status.SUCCEEDED
    assert runner.target.runs("task") == 1


async def test_a_task_that_cannot_be_snoozed_holds_up_nobody(runner: LocalRunner) -> None:
    """Its neighbours are put off; it is tried again, and is put off once that works."""
    store, poison = poisoned(runner.store, "snooze", "task")
    await runner.consumer(store)
    await runner.pause("label:team=red")
    for name in ("task", "neighbour"):
        await runner.submit(id=name, labels={"team": "red"})
    (put_off,) = await runner.heard(DeliveryDropped)
    assert put_off.task_id == "neighbour"
    assert runner.told(LoopFailed)
    poison.cure()
    await runner.heard(DeliveryDropped, 2)
    assert await runner.status("task") is Status.SCHEDULED


async def test_connections_break_while_tasks_run(runner: LocalRunner) -> None:
    """The broker sends everything again; what runs here is known, and runs once."""
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    runner.target.gate.set()
    await succeeds(runner, "task", runs=1)


async def test_a_refused_publish_is_tried_again(runner: LocalRunner) -> None:
    """A nack, or a return by a broker whose queue is gone, leaves the task due."""
    runner.broker.refuse_publishes = True
    await runner.submit(id="task")
    assert runner.told(PublishFailed)
    runner.broker.refuse_publishes = False
    await runner.consumer()
    await runner.later(HOLD)
    await succeeds(runner, "task", runs=1)


async def test_the_store_lost_everything(runner: LocalRunner) -> None:
    """The envelope holds the whole task: the record is made anew, with the attempts it knows of."""
    runner.target.script(http_error(503), OK)
    await runner.consumer()
    await runner.submit(id="task", retry={"strategy": "constant", "base": 0})
    await runner.heard(TaskSettled)
    consumer = runner.consumers[0]
    await consumer.stop(1, asyncio.Event())
    await runner.later(0)
    await runner.lose_store()
    await runner.consumer()
    await runner.heard(TaskSettled, 2)
    record = await runner.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)


async def wait_for_status(runner: LocalRunner, status: Status) -> None:
    async with asyncio.timeout(DEADLINE):
        while await runner.status("task") is not status:  # noqa: ASYNC110 - the severed consumer tells nothing
            await asyncio.sleep(0.005)
