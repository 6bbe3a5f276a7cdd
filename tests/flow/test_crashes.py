"""Every point at which a process can die between two writes: nothing is lost, nothing runs after its end."""

import asyncio
from contextlib import suppress

import pytest

from taskrunner.domain.draft import Draft
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import (
    DeliveryDropped,
    LeaseExpired,
    LoopFailed,
    PublishFailed,
    SettleRefused,
    TaskSettled,
)
from taskrunner.domain.limits import Limits
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from tests.flow.house import FORGOTTEN, HOLD, LEASE, OK, House, http_error
from tests.tools.poisoned import poisoned
from tests.tools.severed import Cut, severable

CUTS = list(Cut)
DRAFT = Draft.from_fields({"id": "task", "url": "http://target.test/"}, Limits())


async def succeeds(house: House, task_id: str, runs: int) -> None:
    """The task ends succeeded after so many runs, and a full set of later relay turns changes nothing."""
    await house.until(lambda: bool(house.told(TaskSettled)), "a settlement")
    assert await house.status(task_id) is Status.SUCCEEDED
    for _ in range(3):
        await house.later(FORGOTTEN + LEASE)
    assert house.target.runs(task_id) == runs
    assert (await house.store.counts())[Status.SUCCEEDED] == 1


@pytest.mark.parametrize("cut", CUTS)
async def test_the_submitter_dies_at_the_write(house: House, cut: Cut) -> None:
    """Nobody was told 202. Where the write took effect, the relay carries the task on."""
    store, _ = severable(house.store, "accept", cut)
    with pytest.raises(StoreUnavailable):
        await house.make_intake(store).submit(DRAFT)
    await house.consumer()
    await house.later(HOLD)
    if cut is Cut.BEFORE:
        assert await house.store.get("task") is None
    else:
        await succeeds(house, "task", runs=1)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_submitter_dies_at_the_mark(house: House, cut: Cut) -> None:
    """The envelope is out, the mark may be missing: a second envelope is dropped by the fence."""
    store, _ = severable(house.store, "mark_queued", cut)
    await house.make_intake(store).submit(DRAFT)
    await house.publisher.drain()
    await house.later(HOLD)
    await house.consumer()
    await succeeds(house, "task", runs=1)


async def test_the_submitter_dies_before_the_publish(house: House) -> None:
    """The due line that was written with the record is all that the relay needs."""
    house.broker.disconnect()
    await house.submit(id="task")
    house.broker.reconnect()
    await house.consumer()
    await house.later(HOLD)
    await succeeds(house, "task", runs=1)


async def test_the_confirm_is_lost(house: House) -> None:
    """The broker has it but could not say so: it is published twice and run once."""
    house.broker.answer_unknown_but_deliver = True
    submitted = await house.submit(id="task")
    assert not submitted.published
    house.broker.answer_unknown_but_deliver = False
    await house.later(HOLD)
    assert (await house.broker.depths())[Lane.MEDIUM] == 2
    await house.consumer()
    await house.heard(DeliveryDropped)
    await succeeds(house, "task", runs=1)


@pytest.mark.parametrize("method", ["take_due", "mark_queued"])
@pytest.mark.parametrize("cut", CUTS)
async def test_the_relay_dies(house: House, method: str, cut: Cut) -> None:
    """What a dead relay had taken is hidden for a while, then another one does it."""
    await house.submit(id="task", delay=5)
    store, line = severable(house.store, method, cut)
    house.clock.advance(5)
    relay = house.make_relay(store)
    # A mark that fails is no reason to stop: without it the task comes up once more.
    with suppress(StoreUnavailable):
        await relay.turn()
    assert line.severed
    await house.consumer()
    await house.later(HOLD)
    await succeeds(house, "task", runs=1)


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_claim(house: House, cut: Cut) -> None:
    """Unclaimed it is simply delivered again; claimed by the dead it waits for the end of the lease."""
    store, line = severable(house.store, "claim", cut)
    await house.consumer(store)
    await house.submit(id="task")
    await line.cut_off.wait()
    await house.consumer()
    await house.break_connections()
    if cut is Cut.AFTER:
        await house.heard(DeliveryDropped)
        await house.later(LEASE)
        await house.heard(LeaseExpired)
        await house.later(10)
    await succeeds(house, "task", runs=1)


async def test_the_consumer_dies_during_the_fetch(house: House) -> None:
    """The attempt counts, the next one starts when the lease is over, the late answer is refused."""
    house.target.gate.clear()
    store, line = severable(house.store)
    await house.consumer(store)
    await house.submit(id="task")
    await house.until_runs(1)
    line.sever()
    await house.consumer()
    await house.break_connections()
    await house.heard(DeliveryDropped)
    await house.later(LEASE - 1)
    assert await house.status("task") is Status.RUNNING
    await house.later(1)
    house.target.gate.set()
    await house.later(10)
    await house.heard(TaskSettled)
    record = await house.record("task")
    assert [attempt.outcome for attempt in record.attempts] == [OutcomeKind.INTERRUPTED, OutcomeKind.OK]
    assert record.attempts[0].consumer == "consumer-1"
    assert house.target.runs("task") == 2


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_settling(house: House, cut: Cut) -> None:
    """Settled but not acked it is not run again; not settled it is, after the lease."""
    store, _ = severable(house.store, "settle", cut)
    await house.consumer(store)
    await house.submit(id="task")
    await house.until_runs(1)
    if cut is Cut.AFTER:
        await wait_for_status(house, Status.SUCCEEDED)
    await house.consumer()
    await house.break_connections()
    await house.heard(DeliveryDropped)
    if cut is Cut.BEFORE:
        await house.later(LEASE)
        await house.later(10)
        await succeeds(house, "task", runs=2)
    else:
        assert house.target.runs("task") == 1


async def test_a_task_that_kills_every_worker_fails(house: House) -> None:
    """A crash counts as an attempt, so poison comes to an end, and is a dead letter."""
    house.target.gate.clear()
    await house.submit(id="task", max_attempts=2, retry={"strategy": "constant", "base": 0})
    for crash in (1, 2):
        store, line = severable(house.store)
        await house.consumer(store)
        await house.break_connections()
        await house.until_runs(crash)
        line.sever()
        await house.later(LEASE)
        await house.later(0)
    record = await house.record("task")
    assert (record.status, record.attempt) == (Status.FAILED, 2)
    assert [letter.id for letter in (await house.store.list_dead_letters(limit=9, cursor=None)).items] == [
        "task"
    ]


async def test_a_hung_attempt_cannot_overwrite_a_newer_one(house: House) -> None:
    """Its lease was lost while the process stood still; its answer comes after the newer one's."""
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task", retry={"strategy": "constant", "base": 0})
    await house.until_runs(1)
    await house.later(LEASE)
    await house.later(0)
    await house.until_runs(2)
    house.target.gate.set()
    await house.heard(SettleRefused)
    await house.heard(TaskSettled)
    record = await house.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)
    assert record.attempts[0].outcome is OutcomeKind.INTERRUPTED


async def test_an_outage_of_the_store_costs_no_attempt(house: House) -> None:
    """Leases that nobody could renew are not held against their owners when the store is back."""
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    store, line = severable(house.store)
    relay = house.make_relay(store)
    line.sever()
    house.clock.advance(LEASE * 2)
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    assert not house.told(LeaseExpired)
    house.target.gate.set()
    await house.heard(TaskSettled)
    record = await house.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 1)


async def test_an_outage_of_both_services_costs_no_attempt(house: House) -> None:
    """A relay that waits for the broker notices that the store was away too."""
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    store, line = severable(house.store)
    relay = house.make_relay(store)
    house.broker.disconnect()
    line.sever()
    house.clock.advance(LEASE * 2)
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    house.broker.reconnect()
    await relay.turn()
    assert not house.told(LeaseExpired)
    house.target.gate.set()
    await house.heard(TaskSettled)


async def test_a_graceful_stop_lets_running_tasks_finish(house: House) -> None:
    """What runs is settled, what waits goes back to the broker and runs elsewhere, once."""
    house.target.gate.clear()
    consumer = await house.consumer(workers=1)
    for name in ("first", "second"):
        await house.submit(id=name)
    await house.until_runs(1)
    stopping = asyncio.create_task(consumer.stop(30, asyncio.Event()))
    await asyncio.sleep(0)
    house.target.gate.set()
    await asyncio.wait_for(stopping, 10)
    assert await house.status("first") is Status.SUCCEEDED
    await house.consumer()
    await house.heard(TaskSettled, 2)
    assert sorted(house.target.ledger) == [("first", 1), ("second", 1)]


async def test_an_abort_does_not_count_the_attempt(house: House) -> None:
    """With a single attempt allowed, an interrupted one is made again and succeeds."""
    house.target.gate.clear()
    consumer = await house.consumer()
    await house.submit(id="task", max_attempts=1)
    await house.until_runs(1)
    abort = asyncio.Event()
    abort.set()
    await asyncio.wait_for(consumer.stop(30, abort), 10)
    house.target.gate.set()
    record = await house.record("task")
    assert (record.status, record.attempts[0].outcome) == (Status.RETRYING, OutcomeKind.INTERRUPTED)
    assert not record.attempts[0].counted
    await house.consumer()
    await house.later(0)
    await house.heard(TaskSettled, 2)
    record = await house.record("task")
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 2, 2)


async def test_the_grace_time_ends(house: House) -> None:
    """A task that runs for longer than the grace is given up without counting."""
    house.target.gate.clear()
    consumer = await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    await asyncio.wait_for(consumer.stop(0.05, asyncio.Event()), 20)
    assert await house.status("task") is Status.RETRYING


async def test_the_store_is_away_when_an_attempt_ends(house: House) -> None:
    """The outcome is kept and settled when the store is back; nothing is acked before."""
    store, line = severable(house.store)
    house.target.gate.clear()
    await house.consumer(store)
    await house.submit(id="task")
    await house.until_runs(1)
    line.sever()
    house.target.gate.set()
    await house.poll(lambda: line.refused.count("settle") > 1)
    assert await house.status("task") is Status.RUNNING
    line.mend()
    await house.heard(TaskSettled)
    await succeeds(house, "task", runs=1)


async def test_an_attempt_that_cannot_be_settled_holds_up_nobody(house: House) -> None:
    """Its neighbours are settled; it is let go, so that its lease ends and its task runs again."""
    store, poison = poisoned(house.store, "settle", "task")
    house.target.gate.clear()
    consumer = await house.consumer(store)
    for name in ("task", "neighbour"):
        await house.submit(id=name)
    await house.until_runs(2)
    house.target.gate.set()
    await house.heard(LoopFailed)
    (settled,) = await house.heard(TaskSettled)
    assert settled.task.id == "neighbour"
    await house.poll(lambda: consumer.in_flight == 0)
    poison.cure()
    await house.later(LEASE)
    await house.heard(LeaseExpired)
    await house.later(10)
    await house.heard(TaskSettled, 2)
    record = await house.record("task")
    assert [attempt.outcome for attempt in record.attempts] == [OutcomeKind.INTERRUPTED, OutcomeKind.OK]


async def test_a_task_that_cannot_be_claimed_holds_up_nobody(house: House) -> None:
    """Its neighbours run; it is tried again, and runs once that works."""
    store, poison = poisoned(house.store, "claim", "task")
    for name in ("task", "neighbour"):
        await house.submit(id=name)
    await house.consumer(store)
    (settled,) = await house.heard(TaskSettled)
    assert settled.task.id == "neighbour"
    assert house.told(LoopFailed)
    poison.cure()
    await house.heard(TaskSettled, 2)
    assert await house.status("task") is Status.SUCCEEDED
    assert house.target.runs("task") == 1


async def test_a_task_that_cannot_be_snoozed_holds_up_nobody(house: House) -> None:
    """Its neighbours are put off; it is tried again, and is put off once that works."""
    store, poison = poisoned(house.store, "snooze", "task")
    await house.consumer(store)
    await house.pause("label:team=red")
    for name in ("task", "neighbour"):
        await house.submit(id=name, labels={"team": "red"})
    (put_off,) = await house.heard(DeliveryDropped)
    assert put_off.task_id == "neighbour"
    assert house.told(LoopFailed)
    poison.cure()
    await house.heard(DeliveryDropped, 2)
    assert await house.status("task") is Status.SCHEDULED


async def test_connections_break_while_tasks_run(house: House) -> None:
    """The broker sends everything again; what runs here is known, and runs once."""
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    await house.break_connections()
    await house.heard(DeliveryDropped)
    house.target.gate.set()
    await succeeds(house, "task", runs=1)


async def test_a_refused_publish_is_tried_again(house: House) -> None:
    """A nack, or a return by a broker whose queue is gone, leaves the task due."""
    house.broker.refuse_publishes = True
    await house.submit(id="task")
    assert house.told(PublishFailed)
    house.broker.refuse_publishes = False
    await house.consumer()
    await house.later(HOLD)
    await succeeds(house, "task", runs=1)


async def test_the_store_lost_everything(house: House) -> None:
    """The envelope holds the whole task: the record is made anew, with the attempts it knows of."""
    house.target.script(http_error(503), OK)
    await house.consumer()
    await house.submit(id="task", retry={"strategy": "constant", "base": 0})
    await house.heard(TaskSettled)
    consumer = house.consumers[0]
    await consumer.stop(1, asyncio.Event())
    await house.later(0)
    await house.lose_store()
    await house.consumer()
    await house.heard(TaskSettled, 2)
    record = await house.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)


async def wait_for_status(house: House, status: Status) -> None:
    async with asyncio.timeout(10):
        while await house.status("task") is not status:  # noqa: ASYNC110 - the severed consumer tells nothing
            await asyncio.sleep(0.005)
