"""`expires_at` end to end: a task that has not started by then fails on time, whatever is in the way."""

from datetime import timedelta

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeliveryDropped, TaskAdopted, TaskExpired, TaskSettled
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import OK, LocalRunner, http_error
from tests.tools.severed import Cut, severable


def end(runner: LocalRunner, seconds: float) -> str:
    return (runner.clock.now() + timedelta(seconds=seconds)).isoformat()


async def has_expired(runner: LocalRunner, attempts: int = 0) -> Record:
    record = await runner.record("task")
    assert (record.status, record.reason) == (Status.FAILED, "expired")
    assert len(record.attempts) == attempts
    assert runner.target.runs("task") == attempts
    return record


async def test_nobody_consumes(runner: LocalRunner) -> None:
    """It waits in its queue, and fails at its time, not later."""
    await runner.submit(id="task", expires_at=end(runner, 60))
    assert await runner.status("task") is Status.QUEUED
    await runner.later(59)
    assert await runner.status("task") is Status.QUEUED
    await runner.later(1)
    record = await has_expired(runner)
    assert record.finished_at == runner.clock.now()
    assert record.error == "no attempt had started by its expires_at"
    assert runner.told(TaskExpired) == [
        TaskExpired(id="task", attempts=0, task=record.task, error=record.error)
    ]


async def test_its_delivery_comes_too_late(runner: LocalRunner) -> None:
    """The envelope that is still in the queue is dropped; also before anybody has failed the task."""
    await runner.submit(id="task", expires_at=end(runner, 60))
    await runner.submit(id="other", expires_at=end(runner, 60))
    runner.clock.advance(60)
    await runner.consumer()
    await runner.heard(DeliveryDropped, 2)
    assert {event.reason for event in runner.told(DeliveryDropped)} == {"past_deadline"}
    await runner.later(0)
    await has_expired(runner)


async def test_the_broker_is_away(runner: LocalRunner) -> None:
    """It needs no broker to fail."""
    runner.broker.disconnect()
    await runner.submit(id="task", expires_at=end(runner, 60))
    await runner.later(60)
    await has_expired(runner)


async def test_a_delayed_task_starts_before_its_deadline(runner: LocalRunner) -> None:
    """Both are exact."""
    await runner.consumer()
    await runner.submit(id="task", delay=60, expires_at=end(runner, 61))
    await runner.later(60)
    await runner.heard(TaskSettled)
    assert await runner.status("task") is Status.SUCCEEDED
    await runner.later(60)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_a_retry_comes_too_late(runner: LocalRunner) -> None:
    """The next attempt would begin behind the deadline: the task fails at the deadline."""
    runner.target.script(http_error(503))
    await runner.consumer()
    retry = {"strategy": "constant", "base": 90, "jitter": 0}
    await runner.submit(id="task", expires_at=end(runner, 60), retry=retry)
    await runner.heard(TaskSettled)
    await runner.later(59)
    assert await runner.status("task") is Status.RETRYING
    await runner.later(1)
    await has_expired(runner, attempts=1)
    await runner.later(60)
    await has_expired(runner, attempts=1)


async def test_what_has_started_may_end(runner: LocalRunner) -> None:
    """A success behind the deadline is one."""
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task", expires_at=end(runner, 10))
    await runner.until_runs(1)
    await runner.later(11)
    runner.target.gate.set()
    await runner.heard(TaskSettled)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_a_dead_consumers_task_is_not_tried_again(runner: LocalRunner) -> None:
    """Its lease ends behind the deadline."""
    runner.target.gate.clear()
    store, line = severable(runner.store)
    await runner.consumer(store)
    await runner.submit(id="task", expires_at=end(runner, 10))
    await runner.until_runs(1)
    line.sever()
    await runner.later(20)
    assert await runner.status("task") is Status.RUNNING
    await runner.later(20)
    await runner.later(0)
    await has_expired(runner, attempts=1)


async def test_one_that_came_too_late_by_itself(runner: LocalRunner) -> None:
    """It is taken and fails at once, by HTTP as by AMQP."""
    await runner.consumer()
    await runner.submit(id="task", expires_at=end(runner, -5))
    await runner.later(0)
    await has_expired(runner)
    body = b'{"id": "foreign", "url": "http://target.test/", "expires_at": "%b"}' % end(runner, -5).encode()
    await runner.broker.publish([Publication(queue="low", body=body, task_id="")])
    await runner.heard(TaskAdopted)
    await runner.later(0)
    assert (await runner.record("foreign")).reason == "expired"
    assert runner.target.ledger == []


@pytest.mark.parametrize("method", ["past_deadline", "fail"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_the_cleaner_dies(runner: LocalRunner, method: str, cut: Cut) -> None:
    """Another one does it, or finds it done."""
    await runner.submit(id="task", expires_at=end(runner, 60))
    runner.clock.advance(60)
    store, _ = severable(runner.store, method, cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cleaner(store).turn()
    await runner.make_cleaner().turn()
    await has_expired(runner)
    assert (await runner.store.counts())[Status.FAILED] == 1


async def test_a_requeued_one_runs(runner: LocalRunner) -> None:
    """Who requeues it wants it in spite of its deadline."""
    await runner.submit(id="task", expires_at=end(runner, 60))
    await runner.later(60)
    await runner.requeue.requeue("task")
    runner.target.script(OK)
    await runner.consumer()
    await runner.heard(TaskSettled)
    await runner.later(60)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_a_task_five_years_ahead_runs_to_the_second(runner: LocalRunner) -> None:
    """Not a second before."""
    await runner.consumer()
    seconds = 5 * 366 * 86_400
    await runner.submit(id="task", delay=seconds)
    await runner.later(seconds - 1)
    assert (await runner.record("task")).status is Status.SCHEDULED
    await runner.later(1)
    await runner.heard(TaskSettled)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_what_was_kept_long_enough_goes(runner: LocalRunner) -> None:
    """Each status by its own retention: succeeded after 7 days, failed after 30."""
    runner.target.script(OK)
    await runner.consumer()
    await runner.submit(id="good")
    await runner.submit(id="task", expires_at=end(runner, 60), delay=30)
    await runner.heard(TaskSettled)
    runner.broker.disconnect()
    await runner.later(60)
    await has_expired(runner)
    day = 86_400
    await runner.later(7 * day)
    assert await runner.store.get("good") is None
    await runner.later(22 * day)
    assert await runner.store.get("task") is not None
    await runner.later(day)
    assert await runner.store.get("task") is None
    assert sum((await runner.store.counts()).values()) == 0


async def test_a_key_outlives_the_retention_of_its_task(runner: LocalRunner) -> None:
    """A task that fails at its deadline holds its dedup key to the end of its `ttl`."""
    day = 86_400
    dedup = {"key": "k", "ttl": 30 * day}
    # As after a change of the settings: the retention is shorter than the `ttl`.
    cleaner = runner.make_cleaner(retention=RetentionSettings(failed=day))
    await runner.submit(id="task", expires_at=end(runner, 60), dedup=dedup)
    await runner.submit(id="other", expires_at=end(runner, 60))
    runner.clock.advance(60)
    await cleaner.turn()
    await has_expired(runner)
    runner.clock.advance(2 * day)
    await cleaner.turn()
    assert await runner.store.get("other") is None
    assert (await runner.submit(id="next", dedup=dedup)).id == "task"
    runner.clock.advance(28 * day)
    await cleaner.turn()
    assert (await runner.submit(id="next", dedup=dedup)).id == "next"
