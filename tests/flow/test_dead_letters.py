"""Dead letters as a resource: requeued and deleted by conditions, with their history, whoever dies."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.codec import encode
from taskrunner.domain.envelope import encode_envelope
from taskrunner.domain.errors import StoreUnavailable, TaskUnknown
from taskrunner.domain.events import DeadLetterCollected, TaskSentBack, TaskSettled
from taskrunner.domain.outcome import Outcome
from taskrunner.domain.record import DeadLetterKind
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.handlers.base import AttemptContext
from taskrunner.producer.gradual_requeue import GradualRequeue
from tests.flow.local_runner import HOLD, OK, LocalRunner, http_error
from tests.tools.severed import Cut, severable

ALL = TaskFilter()


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
    await runner.broker.publish([Publication(queue=Priority.LOW, body=b"no task", task_id="")])
    (collected,) = await runner.heard(DeadLetterCollected)
    return collected.id


async def test_all_that_match_are_requeued_with_their_history(runner: LocalRunner) -> None:
    await runner.consumer()
    red = await failed(runner, 3, labels={"team": "red"})
    blue = await failed(runner, 1, labels={"team": "blue"})
    runner.target.script(OK)
    choice = TaskFilter(labels={"team": "red"})
    counted = await runner.bulk_actions.requeue(choice, limit=10, cursor=None, dry_run=True)
    assert (counted.matched, counted.ids) == (3, [])
    result = await runner.bulk_actions.requeue(choice, limit=10, cursor=None)
    assert (result.matched, set(result.ids), result.cursor) == (3, set(red), None)
    await runner.heard(TaskSettled, 7)
    for task_id in red:
        record = await runner.record(task_id)
        assert record.status is Status.SUCCEEDED
        assert [attempt.status_code for attempt in record.attempts] == [404, 200]
    assert await runner.status(*blue) is Status.FAILED


async def test_a_rate_spaces_them_out_in_the_due_index(runner: LocalRunner) -> None:
    """Nothing waits in a process: each has its time in the store."""
    await runner.consumer()
    ids = await failed(runner, 5)
    runner.target.script(OK)
    now = runner.clock.now()
    assert len((await runner.bulk_actions.requeue(ALL, limit=10, cursor=None, rate=2)).ids) == 5
    records = [await runner.record(task_id) for task_id in ids]
    dues = sorted(record.due - now for record in records if record.due is not None)
    assert dues == [timedelta(seconds=second) for second in (0, 0, 1, 1, 2)]
    await runner.later(0)
    await runner.heard(TaskSettled, 7)
    assert len(runner.told(TaskSettled)) == 7
    await runner.later(2)
    await runner.heard(TaskSettled, 10)


@pytest.mark.parametrize("cut", list(Cut))
async def test_who_requeues_dies_at_the_write(runner: LocalRunner, cut: Cut) -> None:
    """They are dead letters still, or due: the relay publishes what nobody else does."""
    await runner.consumer()
    ids = await failed(runner, 3)
    runner.target.script(OK)
    store, _ = severable(runner.store, "requeue", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_bulk_action(store).requeue(ALL, limit=10, cursor=None)
    if cut is Cut.BEFORE:
        assert [await runner.status(task_id) for task_id in ids] == [Status.FAILED] * 3
        return
    await runner.later(HOLD)
    await runner.heard(TaskSettled, 6)
    assert [await runner.status(task_id) for task_id in ids] == [Status.SUCCEEDED] * 3


async def test_an_unreadable_message_stays_when_all_are_requeued(runner: LocalRunner) -> None:
    letter_id = await message(runner)
    result = await runner.bulk_actions.requeue(ALL, limit=10, cursor=None)
    assert (result.matched, result.ids) == (1, [])
    letter = await runner.store.dead_letter(letter_id)
    assert letter is not None
    assert (letter.kind, letter.raw) == (DeadLetterKind.MESSAGE, b"no task")


async def test_what_matches_is_purged(runner: LocalRunner) -> None:
    """Failed tasks with their records, messages with their bytes."""
    letter_id = await message(runner)
    ids = await failed(runner, 2)
    assert (await runner.bulk_actions.purge(ALL, limit=10, cursor=None, dry_run=True)).matched == 3
    assert set((await runner.bulk_actions.purge(ALL, limit=10, cursor=None)).ids) == {letter_id, *ids}
    assert (await runner.store.list_dead_letters(limit=10, cursor=None)).items == []
    assert [await runner.store.get(task_id) for task_id in ids] == [None, None]


async def test_one_is_deleted(runner: LocalRunner) -> None:
    letter_id = await message(runner)
    (task_id,) = await failed(runner, 1)
    for gone in (letter_id, task_id):
        await runner.bulk_actions.purge_one(gone)
        with pytest.raises(TaskUnknown):
            await runner.bulk_actions.purge_one(gone)


async def test_parts_come_one_after_the_other(runner: LocalRunner) -> None:
    await runner.consumer()
    ids = await failed(runner, 5)
    runner.target.script(OK)
    done: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        result = await runner.bulk_actions.requeue(ALL, limit=2, cursor=cursor)
        done += result.ids
        cursor = result.cursor
    assert (sorted(done), cursor) == (sorted(ids), None)


async def test_a_rollout_stops_when_too_many_fail_again(runner: LocalRunner) -> None:
    """The rest stay dead letters, and nothing has happened to them."""
    await runner.consumer(workers=8)
    await failed(runner, 40)
    rolled = await GradualRequeue(runner.bulk_actions, runner.store, stop_at=50).run(ALL, rate=20, limit=None)
    assert rolled.stopped
    assert rolled.failed == rolled.ended >= 10
    assert rolled.requeued < 40


async def test_a_rollout_that_goes_well_goes_on_to_its_limit(runner: LocalRunner) -> None:
    await runner.consumer(workers=8)
    ids = await failed(runner, 30)

    def answer(context: AttemptContext) -> Outcome:
        return OK if context.task.id != ids[0] else http_error(404)

    runner.target.answer = answer
    rolled = await GradualRequeue(runner.bulk_actions, runner.store, stop_at=50).run(ALL, rate=25, limit=28)
    assert (rolled.matched, rolled.requeued, rolled.stopped) == (28, 28, False)
    assert rolled.ended >= 10


async def give_back_until_dead(runner: LocalRunner) -> None:
    """As consumers do that are paused, or end, before they get to it."""
    runner.broker.consume([Priority.MEDIUM], 10, lambda delivery: runner.broker.release([delivery]))
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
    runner.broker.dead_letter_ready(Priority.MEDIUM, reason)
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
    publication = Publication(queue=Priority.LOW, body=b'{"url":"http://target.test/"}', task_id="{7F9C24E8}")
    runner.collect()
    for turn in range(2):
        await runner.broker.publish([publication])
        runner.broker.dead_letter_ready(Priority.LOW, reason)
        await runner.heard(TaskSentBack, turn + 1)
    (task_id,) = {event.task_id for event in runner.told(TaskSentBack)}
    await runner.consumer()
    await runner.later(5)
    await runner.heard(TaskSettled)
    assert (await runner.record(task_id)).task.priority is Priority.LOW
    assert runner.target.runs(task_id) == 1


async def test_a_finished_task_is_not_sent_back(runner: LocalRunner) -> None:
    """A double of its message that expires changes nothing."""
    await runner.consumer()
    submitted = await runner.submit()
    await runner.heard(TaskSettled)
    await runner.consumers.pop().stop(1, asyncio.Event())
    record = await runner.record(submitted.id)
    envelope = encode_envelope(encode(record.task), 1)
    await runner.broker.publish([Publication(queue=Priority.MEDIUM, body=envelope, task_id=submitted.id)])
    runner.collect()
    runner.broker.dead_letter_ready(Priority.MEDIUM, "expired")
    await runner.heard(TaskSentBack)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_an_envelope_that_was_rejected_is_a_dead_letter(runner: LocalRunner) -> None:
    """Somebody could not read it: sent back, it would go round for ever."""
    submitted = await runner.submit()
    runner.collect()
    runner.broker.dead_letter_ready(Priority.MEDIUM, "rejected")
    await runner.heard(DeadLetterCollected)
    assert (await runner.record(submitted.id)).status is Status.FAILED
