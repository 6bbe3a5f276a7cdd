"""Pauses: paused tasks do not start, others go on, and no task is lost or loses an attempt."""

import asyncio

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.codec import encode
from taskrunner.domain.events import DeliveryDropped, TaskSettled
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.tasks.envelope import encode_envelope
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import FORGOTTEN, HOLD, LEASE, OK, LocalRunner, http_error
from tests.tools.fetching import make_task
from tests.tools.interposed import interposed
from tests.tools.severed import Cut, severable
from tests.tools.waiting import eventually

RED = {"team": "red"}


async def test_a_paused_queue_is_not_served(runner: LocalRunner) -> None:
    """Other queues are served; its tasks wait in the broker until it is resumed."""
    await runner.consumer()
    await runner.pause("queue:low")
    await runner.submit(id="low", priority="low")
    await runner.submit(id="high", priority="high")
    await runner.heard(TaskSettled)
    await runner.later(FORGOTTEN + LEASE)
    assert runner.target.ledger == [("high", 1)]
    assert (await runner.broker.depths())["low"] == 1
    await runner.pause()
    await runner.heard(TaskSettled, 2)
    assert await runner.status("low") is Status.SUCCEEDED


async def test_deliveries_that_wait_go_back_to_the_broker(runner: LocalRunner) -> None:
    """Running attempts end; no unclaimed delivery stays in the process."""
    runner.target.gate.clear()
    consumer = await runner.consumer(workers=1)
    for number in range(5):
        await runner.submit(id=f"task-{number}")
    await runner.until_runs(1)
    await runner.pause("all")
    assert len(consumer.backlog) == 0
    begun = consumer.in_flight
    assert (await runner.broker.depths())["medium"] == 5 - begun
    runner.target.gate.set()
    await runner.heard(TaskSettled, begun)
    await runner.submit(id="new")
    await runner.later(FORGOTTEN + LEASE)
    assert len(runner.target.ledger) == begun
    await runner.pause()
    await runner.heard(TaskSettled, 6)
    assert (await runner.store.counts())[Status.SUCCEEDED] == 6


async def test_a_batch_at_the_host_gate_does_not_start_when_its_queue_is_paused(runner: LocalRunner) -> None:
    """While the gate waits for the host states the batch is not in the backlog; then it is snoozed."""
    looks, passes, opened = [0], asyncio.Semaphore(1), asyncio.Event()

    async def hold(_: object) -> None:
        looks[0] += 1
        if not opened.is_set():
            await passes.acquire()

    runner.target.gate.clear()
    store = interposed(runner.store, "write_hosts", hold)
    consumer = await runner.consumer(store, workers=10, host_limits={"a.test": HostLimit(concurrency=1)})
    await runner.submit("http://a.test/", id="a-0")
    await runner.until_runs(1)
    await runner.submit("http://a.test/", id="a-1")
    await eventually(lambda: looks[0] == 2)
    await runner.submit("http://a.test/", id="a-2")
    for number in range(8):
        await runner.submit("http://b.test/", id=f"b-{number}")
    passes.release()
    await eventually(lambda: looks[0] == 3)
    await runner.pause("all")
    opened.set()
    passes.release()
    await runner.heard(DeliveryDropped, 9)
    assert (len(consumer.backlog), consumer.in_flight) == (0, 1)
    runner.target.gate.set()
    await runner.heard(TaskSettled)
    assert runner.target.ledger == [("a-0", 1)]


async def test_a_pause_holds_for_consumers_that_start_later(runner: LocalRunner) -> None:
    """The store keeps it."""
    await runner.pause("all")
    await runner.submit(id="task")
    consumer = await runner.consumer()
    assert consumer.open_queues == ()
    assert (await runner.broker.depths())["medium"] == 1
    await runner.pause()
    await runner.heard(TaskSettled)


async def test_a_paused_label_is_snoozed_and_blocks_nobody(runner: LocalRunner) -> None:
    """Its delivery is acked, its attempt not counted; it runs when it is due after the end of the pause."""
    await runner.pause("label:team=red")
    await runner.consumer(workers=1)
    await runner.submit(id="red", labels=RED)
    await runner.submit(id="blue", labels={"team": "blue"})
    await runner.heard(TaskSettled)
    await runner.heard(DeliveryDropped)
    assert runner.target.ledger == [("blue", 1)]
    record = await runner.record("red")
    assert (record.status, record.attempt, record.attempts) == (Status.SCHEDULED, 0, ())
    assert (await runner.broker.depths())["medium"] == 0
    for _ in range(3):
        await runner.later(HOLD)
    assert await runner.status("red") is Status.SCHEDULED
    await runner.pause()
    await runner.later(HOLD)
    await runner.heard(TaskSettled, 2)
    assert (await runner.record("red")).attempt == 1


async def test_retries_of_a_paused_label_wait(runner: LocalRunner) -> None:
    runner.target.script(http_error(503), OK)
    await runner.consumer()
    await runner.submit(id="task", labels=RED, retry={"strategy": "constant", "base": 5})
    await runner.heard(TaskSettled)
    await runner.pause("label:team")
    for _ in range(3):
        await runner.later(HOLD)
    assert runner.target.runs("task") == 1
    assert await runner.status("task") is Status.RETRYING
    await runner.pause()
    await runner.later(HOLD)
    await runner.heard(TaskSettled, 2)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_a_foreign_message_of_a_paused_label_waits(runner: LocalRunner) -> None:
    """Its record is made, so that it can wait in the store."""
    await runner.pause("label:team")
    await runner.consumer()
    body = b'{"url": "http://target.test/", "id": "foreign", "labels": {"team": "red"}}'
    await runner.broker.publish([Publication(queue="low", body=body, task_id="")])
    await runner.heard(DeliveryDropped)
    assert await runner.status("foreign") is Status.SCHEDULED
    await runner.pause()
    await runner.later(HOLD)
    await runner.heard(TaskSettled)


async def test_a_lost_task_is_adopted_when_it_is_snoozed(runner: LocalRunner) -> None:
    """The acked message was the last copy of the task."""
    await runner.pause("label:team")
    await runner.consumer()
    task = make_task("http://target.test/", id="lost", labels=RED)
    body = encode_envelope(encode(task), attempt=2)
    await runner.broker.publish([Publication(queue="low", body=body, task_id=task.id)])
    await runner.heard(DeliveryDropped)
    record = await runner.store.get("lost")
    assert record is not None
    assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 1, 1)
    await runner.pause()
    await runner.later(HOLD)
    await runner.heard(TaskSettled)
    assert runner.target.runs("lost") == 1


async def test_a_snooze_does_not_bring_a_deleted_task_back(runner: LocalRunner) -> None:
    await runner.pause("label:team")
    await runner.submit(id="deleted", labels=RED)
    await runner.store.delete(["deleted"], now=runner.clock.now(), retention=60.0)
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    assert await runner.store.get("deleted") is None


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_consumer_crashes_at_the_snooze(runner: LocalRunner, cut: Cut) -> None:
    """The delivery comes again and is snoozed again."""
    await runner.pause("label:team")
    store, line = severable(runner.store, "snooze", cut)
    await runner.consumer(store)
    await runner.submit(id="task", labels=RED)
    await line.cut_off.wait()
    await runner.consumer()
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    await runner.pause()
    await runner.later(HOLD)
    await runner.heard(TaskSettled)
    for _ in range(3):
        await runner.later(FORGOTTEN + LEASE)
    assert runner.target.runs("task") == 1
