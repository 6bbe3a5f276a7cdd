"""`expires_at` end to end: a task that has not started by then fails on time, whatever is in the way."""

from datetime import timedelta

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeliveryDropped, TaskAdopted, TaskExpired, TaskSettled
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from tests.flow.house import OK, House, http_error
from tests.tools.severed import Cut, severable


def end(house: House, seconds: float) -> str:
    return (house.clock.now() + timedelta(seconds=seconds)).isoformat()


async def has_expired(house: House, attempts: int = 0) -> Record:
    record = await house.record("task")
    assert (record.status, record.reason) == (Status.FAILED, "expired")
    assert len(record.attempts) == attempts
    assert house.target.runs("task") == attempts
    return record


async def test_nobody_consumes(house: House) -> None:
    """It waits in its lane, and fails at its time, not later."""
    await house.submit(id="task", expires_at=end(house, 60))
    assert await house.status("task") is Status.QUEUED
    await house.later(59)
    assert await house.status("task") is Status.QUEUED
    await house.later(1)
    record = await has_expired(house)
    assert record.finished_at == house.clock.now()
    assert record.error == "no attempt had started by its expires_at"
    assert house.told(TaskExpired) == [
        TaskExpired(id="task", attempts=0, task=record.task, error=record.error)
    ]


async def test_its_delivery_comes_too_late(house: House) -> None:
    """The envelope that is still in the lane is dropped; also before anybody has failed the task."""
    await house.submit(id="task", expires_at=end(house, 60))
    await house.submit(id="other", expires_at=end(house, 60))
    house.clock.advance(60)
    await house.consumer()
    await house.heard(DeliveryDropped, 2)
    assert {event.reason for event in house.told(DeliveryDropped)} == {"expired"}
    await house.later(0)
    await has_expired(house)


async def test_the_broker_is_away(house: House) -> None:
    """It needs no broker to fail."""
    house.broker.disconnect()
    await house.submit(id="task", expires_at=end(house, 60))
    await house.later(60)
    await has_expired(house)


async def test_a_delayed_task_starts_before_its_deadline(house: House) -> None:
    """Both are exact."""
    await house.consumer()
    await house.submit(id="task", delay=60, expires_at=end(house, 61))
    await house.later(60)
    await house.heard(TaskSettled)
    assert await house.status("task") is Status.SUCCEEDED
    await house.later(60)
    assert await house.status("task") is Status.SUCCEEDED


async def test_a_retry_comes_too_late(house: House) -> None:
    """The next attempt would begin behind the deadline: the task fails at the deadline."""
    house.target.script(http_error(503))
    await house.consumer()
    retry = {"strategy": "constant", "base": 90, "jitter": 0}
    await house.submit(id="task", expires_at=end(house, 60), retry=retry)
    await house.heard(TaskSettled)
    await house.later(59)
    assert await house.status("task") is Status.RETRYING
    await house.later(1)
    await has_expired(house, attempts=1)
    await house.later(60)
    await has_expired(house, attempts=1)


async def test_what_has_started_may_end(house: House) -> None:
    """A success behind the deadline is one."""
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task", expires_at=end(house, 10))
    await house.until_runs(1)
    await house.later(11)
    house.target.gate.set()
    await house.heard(TaskSettled)
    assert await house.status("task") is Status.SUCCEEDED


async def test_a_dead_consumers_task_is_not_tried_again(house: House) -> None:
    """Its lease ends behind the deadline."""
    house.target.gate.clear()
    store, line = severable(house.store)
    await house.consumer(store)
    await house.submit(id="task", expires_at=end(house, 10))
    await house.until_runs(1)
    line.sever()
    await house.later(20)
    assert await house.status("task") is Status.RUNNING
    await house.later(20)
    await house.later(0)
    await has_expired(house, attempts=1)


async def test_one_that_came_too_late_by_itself(house: House) -> None:
    """It is taken and fails at once, by HTTP as by AMQP."""
    await house.consumer()
    await house.submit(id="task", expires_at=end(house, -5))
    await house.later(0)
    await has_expired(house)
    body = b'{"id": "foreign", "url": "http://target.test/", "expires_at": "%b"}' % end(house, -5).encode()
    await house.broker.publish([Publication(lane=Lane.LOW, body=body, task_id="")])
    await house.heard(TaskAdopted)
    await house.later(0)
    assert (await house.record("foreign")).reason == "expired"
    assert house.target.ledger == []


@pytest.mark.parametrize("method", ["expired", "fail"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_the_caretaker_dies(house: House, method: str, cut: Cut) -> None:
    """Another one does it, or finds it done."""
    await house.submit(id="task", expires_at=end(house, 60))
    house.clock.advance(60)
    store, _ = severable(house.store, method, cut)
    with pytest.raises(StoreUnavailable):
        await house.make_caretaker(store).turn()
    await house.make_caretaker().turn()
    await has_expired(house)
    assert (await house.store.counts())[Status.FAILED] == 1


async def test_a_requeued_one_runs(house: House) -> None:
    """Who requeues it wants it in spite of its deadline."""
    await house.submit(id="task", expires_at=end(house, 60))
    await house.later(60)
    await house.revival.requeue("task")
    house.target.script(OK)
    await house.consumer()
    await house.heard(TaskSettled)
    await house.later(60)
    assert await house.status("task") is Status.SUCCEEDED


async def test_a_task_five_years_ahead_runs_to_the_second(house: House) -> None:
    """Not a second before."""
    await house.consumer()
    seconds = 5 * 366 * 86_400
    await house.submit(id="task", delay=seconds)
    await house.later(seconds - 1)
    assert (await house.record("task")).status is Status.SCHEDULED
    await house.later(1)
    await house.heard(TaskSettled)
    assert await house.status("task") is Status.SUCCEEDED


async def test_what_was_kept_long_enough_goes(house: House) -> None:
    """Each status by its own retention: succeeded after 7 days, failed after 30."""
    house.target.script(OK)
    await house.consumer()
    await house.submit(id="good")
    await house.submit(id="task", expires_at=end(house, 60), delay=30)
    await house.heard(TaskSettled)
    house.broker.disconnect()
    await house.later(60)
    await has_expired(house)
    day = 86_400
    await house.later(7 * day)
    assert await house.store.get("good") is None
    await house.later(22 * day)
    assert await house.store.get("task") is not None
    await house.later(day)
    assert await house.store.get("task") is None
    assert sum((await house.store.counts()).values()) == 0
