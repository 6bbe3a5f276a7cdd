"""Faults and outages of the store and the broker while tasks run: no attempt is lost, no neighbour waits."""

import asyncio

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeliveryDropped, LeaseExpired, LoopFailed, PublishFailed, TaskSettled
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import HOLD, LEASE, OK, LocalRunner, http_error
from tests.tools.poisoned import poisoned
from tests.tools.severed import severable
from tests.tools.waiting import eventually


@pytest.mark.parametrize("broker_too", [False, True])
async def test_an_outage_costs_no_attempt(runner: LocalRunner, broker_too: bool) -> None:
    """Leases that nobody could renew are not held against their owners when the store is back.

    A relay that waits for the broker notices that the store was away too.
    """
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    store, line = severable(runner.store)
    relay = runner.make_relay(store)
    if broker_too:
        runner.broker.disconnect()
    line.sever()
    runner.clock.advance(LEASE * 2)
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    if broker_too:
        runner.broker.reconnect()
        await relay.turn()
    assert not runner.told(LeaseExpired)
    runner.target.gate.set()
    await runner.heard(TaskSettled)
    record = await runner.record("task")
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 1)


async def test_the_store_is_away_when_an_attempt_ends(runner: LocalRunner) -> None:
    """The outcome is kept and settled when the store is back; nothing is acked before."""
    store, line = severable(runner.store)
    runner.target.gate.clear()
    await runner.consumer(store)
    await runner.submit(id="task")
    await runner.until_runs(1)
    line.sever()
    runner.target.gate.set()
    await eventually(lambda: line.refused.count("settle") > 1)
    assert await runner.status("task") is Status.RUNNING
    line.mend()
    await runner.heard(TaskSettled)
    await runner.until_succeeded("task", runs=1)


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
    await eventually(lambda: consumer.in_flight == 0)
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
    await runner.until_succeeded("task", runs=1)


async def test_a_refused_publish_is_tried_again(runner: LocalRunner) -> None:
    """A nack, or a return by a broker whose queue is gone, leaves the task due."""
    runner.broker.refuse_publishes = True
    await runner.submit(id="task")
    assert runner.told(PublishFailed)
    runner.broker.refuse_publishes = False
    await runner.consumer()
    await runner.later(HOLD)
    await runner.until_succeeded("task", runs=1)


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
