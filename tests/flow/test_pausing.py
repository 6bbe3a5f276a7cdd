"""Pauses: nothing new starts of what is paused, the rest goes on, and nothing is lost or counted by it."""

import asyncio

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.envelope import encode_task, seal
from taskrunner.domain.events import DeliveryDropped, TaskSettled
from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from tests.flow.house import FORGOTTEN, HOLD, LEASE, OK, House, http_error
from tests.tools.fetching import make_task
from tests.tools.interposed import interposed
from tests.tools.severed import Cut, severable

RED = {"team": "red"}


async def test_a_paused_lane_is_not_served(house: House) -> None:
    """Other lanes are; what waits in the broker is taken up when it is resumed."""
    await house.consumer()
    await house.pause("lane:low")
    await house.submit(id="low", priority="low")
    await house.submit(id="high", priority="high")
    await house.heard(TaskSettled)
    await house.later(FORGOTTEN + LEASE)
    assert house.target.ledger == [("high", 1)]
    assert (await house.broker.depths())[Lane.LOW] == 1
    await house.pause()
    await house.heard(TaskSettled, 2)
    assert await house.status("low") is Status.SUCCEEDED


async def test_what_was_delivered_and_waits_goes_back(house: House) -> None:
    """What runs ends; nothing that nobody has claimed stays in the process."""
    house.target.gate.clear()
    consumer = await house.consumer(workers=1)
    for number in range(5):
        await house.submit(id=f"task-{number}")
    await house.until_runs(1)
    await house.pause("all")
    assert len(consumer.backlog) == 0
    begun = consumer.in_flight
    assert (await house.broker.depths())[Lane.MEDIUM] == 5 - begun
    house.target.gate.set()
    await house.heard(TaskSettled, begun)
    await house.submit(id="new")
    await house.later(FORGOTTEN + LEASE)
    assert len(house.target.ledger) == begun
    await house.pause()
    await house.heard(TaskSettled, 6)
    assert (await house.store.counts())[Status.SUCCEEDED] == 6


async def test_what_is_looked_at_as_its_lane_is_paused_does_not_start(house: House) -> None:
    """A batch that waits for an answer on its hosts is in no backlog; what is left of it goes back."""
    looks, passes, opened = [0], asyncio.Semaphore(1), asyncio.Event()

    async def hold(_: object) -> None:
        looks[0] += 1
        if not opened.is_set():
            await passes.acquire()

    house.target.gate.clear()
    store = interposed(house.store, "write_hosts", hold)
    consumer = await house.consumer(store, workers=2, host_limits={"a.test": HostLimit(concurrency=1)})
    await house.submit("http://a.test/", id="a-0")
    await house.until_runs(1)
    await house.submit("http://a.test/", id="a-1")
    await house.poll(lambda: looks[0] == 2)
    await house.submit("http://a.test/", id="a-2")
    for number in range(8):
        await house.submit("http://b.test/", id=f"b-{number}")
    passes.release()
    await house.poll(lambda: looks[0] == 3)
    await house.pause("all")
    opened.set()
    passes.release()
    await house.heard(DeliveryDropped, 8)
    assert (len(consumer.backlog), consumer.in_flight) == (0, 1)
    house.target.gate.set()
    await house.heard(TaskSettled)
    assert house.target.ledger == [("a-0", 1)]


async def test_a_pause_is_there_for_who_starts_later(house: House) -> None:
    """It is kept in the store."""
    await house.pause("all")
    await house.submit(id="task")
    consumer = await house.consumer()
    assert consumer.open_lanes == ()
    assert (await house.broker.depths())[Lane.MEDIUM] == 1
    await house.pause()
    await house.heard(TaskSettled)


async def test_a_paused_label_is_snoozed_and_blocks_nobody(house: House) -> None:
    """Its delivery is acked, its attempt not counted; it runs when it is due after the end of the pause."""
    await house.pause("label:team=red")
    await house.consumer(workers=1)
    await house.submit(id="red", labels=RED)
    await house.submit(id="blue", labels={"team": "blue"})
    await house.heard(TaskSettled)
    await house.heard(DeliveryDropped)
    assert house.target.ledger == [("blue", 1)]
    record = await house.record("red")
    assert (record.status, record.attempt, record.attempts) == (Status.SCHEDULED, 0, ())
    assert (await house.broker.depths())[Lane.MEDIUM] == 0
    for _ in range(3):
        await house.later(HOLD)
    assert await house.status("red") is Status.SCHEDULED
    await house.pause()
    await house.later(HOLD)
    await house.heard(TaskSettled, 2)
    assert (await house.record("red")).attempt == 1


async def test_retries_of_a_paused_label_wait(house: House) -> None:
    house.target.script(http_error(503), OK)
    await house.consumer()
    await house.submit(id="task", labels=RED, retry={"strategy": "constant", "base": 5})
    await house.heard(TaskSettled)
    await house.pause("label:team")
    for _ in range(3):
        await house.later(HOLD)
    assert house.target.runs("task") == 1
    assert await house.status("task") is Status.RETRYING
    await house.pause()
    await house.later(HOLD)
    await house.heard(TaskSettled, 2)
    assert await house.status("task") is Status.SUCCEEDED


async def test_a_foreign_message_of_a_paused_label_waits(house: House) -> None:
    """Its record is made, so that it can wait in the store."""
    await house.pause("label:team")
    await house.consumer()
    body = b'{"url": "http://target.test/", "id": "foreign", "labels": {"team": "red"}}'
    await house.broker.publish([Publication(lane=Lane.LOW, body=body, task_id="")])
    await house.heard(DeliveryDropped)
    assert await house.status("foreign") is Status.SCHEDULED
    await house.pause()
    await house.later(HOLD)
    await house.heard(TaskSettled)


async def test_a_task_that_the_store_has_lost_is_adopted_as_it_is_snoozed(house: House) -> None:
    """Its message is the last that there is of it, and is acked."""
    await house.pause("label:team")
    await house.consumer()
    task = make_task("http://target.test/", id="lost", labels=RED)
    body = seal(encode_task(task), attempt=2)
    await house.broker.publish([Publication(lane=Lane.LOW, body=body, task_id=task.id)])
    await house.heard(DeliveryDropped)
    record = await house.store.get("lost")
    assert record is not None
    assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 1, 1)
    await house.pause()
    await house.later(HOLD)
    await house.heard(TaskSettled)
    assert house.target.runs("lost") == 1


async def test_a_snooze_of_a_task_that_was_deleted_does_not_bring_it_back(house: House) -> None:
    await house.pause("label:team")
    await house.submit(id="deleted", labels=RED)
    await house.store.delete(["deleted"], now=house.clock.now(), keep=60.0)
    await house.consumer()
    await house.heard(DeliveryDropped)
    assert await house.store.get("deleted") is None


@pytest.mark.parametrize("cut", list(Cut))
async def test_the_consumer_dies_at_the_snooze(house: House, cut: Cut) -> None:
    """The delivery comes again and is snoozed again."""
    await house.pause("label:team")
    store, line = severable(house.store, "snooze", cut)
    await house.consumer(store)
    await house.submit(id="task", labels=RED)
    await line.cut_off.wait()
    await house.consumer()
    await house.break_connections()
    await house.heard(DeliveryDropped)
    await house.pause()
    await house.later(HOLD)
    await house.heard(TaskSettled)
    for _ in range(3):
        await house.later(FORGOTTEN + LEASE)
    assert house.target.runs("task") == 1
