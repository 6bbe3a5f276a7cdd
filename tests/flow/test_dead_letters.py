"""Dead letters as a resource: requeued and deleted by conditions, with their history, whoever dies."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import StoreUnavailable, TaskUnknown
from taskrunner.domain.events import DeadLetterCollected, TaskSentBack, TaskSettled
from taskrunner.domain.tasks.envelope import encode_envelope
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import HOLD, OK, LocalRunner, http_error
from tests.tools.severed import Cut, severable


async def failed(runner: LocalRunner, count: int, **fields: Any) -> list[str]:
    """That many tasks, each failed in its only attempt."""
    before = len(runner.told(TaskSettled))
    runner.target.script(http_error(404))
    ids = [(await runner.submit(max_attempts=1, **fields)).id for _ in range(count)]
    await runner.heard(TaskSettled, before + count)
    return ids


async def message(runner: LocalRunner) -> str:
    """A message that nobody could read, collected."""
    await runner.consumer()
    runner.collect()
    await runner.broker.publish([Publication(queue="low", body=b"no task", task_id="")])
    (collected,) = await runner.heard(DeadLetterCollected)
    return collected.id


@pytest.mark.parametrize("cut", list(Cut))
async def test_who_requeues_dies_at_the_write(runner: LocalRunner, cut: Cut) -> None:
    """They are dead letters still, or due: the relay publishes what nobody else does."""
    await runner.consumer()
    ids = await failed(runner, 3)
    runner.target.script(OK)
    store, _ = severable(runner.store, "requeue", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_requeuer(store).requeue_tasks(ids)
    if cut is Cut.BEFORE:
        assert [await runner.status(task_id) for task_id in ids] == [Status.FAILED] * 3
        return
    await runner.later(HOLD)
    await runner.heard(TaskSettled, 6)
    assert [await runner.status(task_id) for task_id in ids] == [Status.SUCCEEDED] * 3


async def test_one_is_deleted(runner: LocalRunner) -> None:
    letter_id = await message(runner)
    (task_id,) = await failed(runner, 1)
    for gone in (letter_id, task_id):
        await runner.bulk_actions.delete_letter(gone)
        with pytest.raises(TaskUnknown):
            await runner.bulk_actions.delete_letter(gone)


async def give_back_until_dead(runner: LocalRunner) -> None:
    """As consumers do that are paused, or end, before they get to it."""
    runner.broker.consume(["medium"], 10, lambda delivery: runner.broker.release([delivery]))
    await runner.heard(TaskSentBack)
    runner.broker.cancel_consume()


async def test_a_task_that_was_given_back_too_often_goes_on(runner: LocalRunner) -> None:
    """Nothing is wrong with it: it is published anew, and runs in its first attempt."""
    submitted = await runner.submit()
    runner.collect()
    await give_back_until_dead(runner)
    assert await runner.status(submitted.id) is Status.SCHEDULED
    await runner.consumer()
    await runner.relay.turn()
    await runner.heard(TaskSettled)
    record = await runner.record(submitted.id)
    assert (record.status, record.attempt, runner.target.runs(submitted.id)) == (Status.SUCCEEDED, 1, 1)
    assert (await runner.store.list_dead_letters(limit=10, cursor=None)).items == []


async def test_one_whose_record_is_lost_gets_it_back(runner: LocalRunner) -> None:
    """From the dead message, which is all that is left of it."""
    submitted = await runner.submit()
    await runner.lose_store()
    runner.collect()
    await give_back_until_dead(runner)
    assert (await runner.record(submitted.id)).attempt == 0
    await runner.consumer()
    await runner.relay.turn()
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_one_that_was_cancelled_meanwhile_stays_so(runner: LocalRunner) -> None:
    submitted = await runner.submit()
    await runner.cancellation.cancel(submitted.id)
    runner.collect()
    await give_back_until_dead(runner)
    assert await runner.status(submitted.id) is Status.CANCELLED


@pytest.mark.parametrize("reason", ["expired", "maxlen", "delivery_limit"])
async def test_what_the_broker_does_by_itself_ends_no_task(runner: LocalRunner, reason: str) -> None:
    """A policy of an operator for other queues: message-ttl, max-length, a low delivery limit."""
    ids = [(await runner.submit()).id for _ in range(3)]
    runner.collect()
    runner.broker.dead_letter_ready("medium", reason)
    await runner.heard(TaskSentBack, 3)
    assert {(event.task_id, event.reason) for event in runner.told(TaskSentBack)} == {
        (task_id, reason) for task_id in ids
    }
    assert [await runner.status(task_id) for task_id in ids] == [Status.SCHEDULED] * 3
    await runner.consumer()
    await runner.later(5)
    await runner.heard(TaskSettled, 3)
    assert [await runner.status(task_id) for task_id in ids] == [Status.SUCCEEDED] * 3
    assert [runner.target.runs(task_id) for task_id in ids] == [1, 1, 1]
    assert (await runner.store.list_dead_letters(limit=10, cursor=None)).items == []


@pytest.mark.parametrize("reason", ["expired", "maxlen", "delivery_limit"])
async def test_a_foreign_message_that_the_broker_gave_up_is_adopted(runner: LocalRunner, reason: str) -> None:
    """It never reached a consumer, so the collector makes its task: one, however often the message comes."""
    publication = Publication(queue="low", body=b'{"url":"http://target.test/"}', task_id="{7F9C24E8}")
    runner.collect()
    for turn in range(2):
        await runner.broker.publish([publication])
        runner.broker.dead_letter_ready("low", reason)
        await runner.heard(TaskSentBack, turn + 1)
    (task_id,) = {event.task_id for event in runner.told(TaskSentBack)}
    await runner.consumer()
    await runner.later(5)
    await runner.heard(TaskSettled)
    assert (await runner.record(task_id)).task.queue == "low"
    assert runner.target.runs(task_id) == 1


async def test_a_finished_task_is_not_sent_back(runner: LocalRunner) -> None:
    """A double of its message that expires changes nothing."""
    await runner.consumer()
    submitted = await runner.submit()
    await runner.heard(TaskSettled)
    await runner.consumers.pop().stop(1, asyncio.Event())
    record = await runner.record(submitted.id)
    envelope = encode_envelope(encode(record.task), 1)
    await runner.broker.publish([Publication(queue="medium", body=envelope, task_id=submitted.id)])
    runner.collect()
    runner.broker.dead_letter_ready("medium", "expired")
    await runner.heard(TaskSentBack)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_an_envelope_that_was_rejected_is_a_dead_letter(runner: LocalRunner) -> None:
    """Somebody could not read it: sent back, it would go round for ever."""
    submitted = await runner.submit()
    runner.collect()
    runner.broker.dead_letter_ready("medium", "rejected")
    await runner.heard(DeadLetterCollected)
    assert (await runner.record(submitted.id)).status is Status.FAILED


async def test_a_rejected_task_is_kept_as_long_as_its_key(runner: LocalRunner) -> None:
    """A longer `ttl` wins over the retention of failed tasks."""
    runner.collect(keep=60.0)
    runner.broker.consume(["medium"], 1, lambda delivery: runner.broker.reject([delivery]))
    await runner.submit(id="task", dedup={"key": "k", "ttl": 3600})
    await runner.heard(DeadLetterCollected)
    record = await runner.record("task")
    assert record.status is Status.FAILED
    assert record.kept_until == record.task.created_at + timedelta(seconds=3600)
