"""Dead letters as a resource: requeued and deleted by conditions, with their history, whoever dies."""

from datetime import timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import StoreUnavailable, TaskUnknown
from taskrunner.domain.events import DeadLetterCollected, DeliveriesUsedUp, TaskSettled
from taskrunner.domain.outcome import Outcome
from taskrunner.domain.record import DeadLetterKind
from taskrunner.domain.selection import Selection
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.handlers.base import Attempting
from taskrunner.producer.rollout import Rollout
from tests.flow.house import HOLD, OK, House, http_error
from tests.tools.severed import Cut, severable

ALL = Selection()


async def failed(house: House, count: int, **fields: Any) -> list[str]:
    """That many tasks, each failed in its only attempt."""
    before = len(house.told(TaskSettled))
    house.target.script(http_error(404))
    ids = [(await house.submit(max_attempts=1, **fields)).id for _ in range(count)]
    await house.heard(TaskSettled, before + count)
    return ids


async def message(house: House) -> str:
    """A message that nobody could read, collected."""
    await house.consumer()
    house.collect()
    await house.broker.publish([Publication(lane=Lane.LOW, body=b"no task", task_id="")])
    (collected,) = await house.heard(DeadLetterCollected)
    return collected.id


async def test_all_that_match_are_requeued_with_their_history(house: House) -> None:
    await house.consumer()
    red = await failed(house, 3, labels={"team": "red"})
    blue = await failed(house, 1, labels={"team": "blue"})
    house.target.script(OK)
    choice = Selection(labels={"team": "red"})
    counted = await house.sweep.requeue(choice, limit=10, cursor=None, dry_run=True)
    assert (counted.matched, counted.ids) == (3, [])
    swept = await house.sweep.requeue(choice, limit=10, cursor=None)
    assert (swept.matched, set(swept.ids), swept.cursor) == (3, set(red), None)
    await house.heard(TaskSettled, 7)
    for task_id in red:
        record = await house.record(task_id)
        assert record.status is Status.SUCCEEDED
        assert [attempt.status_code for attempt in record.attempts] == [404, 200]
    assert await house.status(*blue) is Status.FAILED


async def test_a_rate_spaces_them_out_in_the_due_index(house: House) -> None:
    """Nothing waits in a process: each has its time in the store."""
    await house.consumer()
    ids = await failed(house, 5)
    house.target.script(OK)
    now = house.clock.now()
    assert len((await house.sweep.requeue(ALL, limit=10, cursor=None, rate=2)).ids) == 5
    records = [await house.record(task_id) for task_id in ids]
    dues = sorted(record.due - now for record in records if record.due is not None)
    assert dues == [timedelta(seconds=second) for second in (0, 0, 1, 1, 2)]
    await house.later(0)
    await house.heard(TaskSettled, 7)
    assert len(house.told(TaskSettled)) == 7
    await house.later(2)
    await house.heard(TaskSettled, 10)


@pytest.mark.parametrize("cut", list(Cut))
async def test_who_requeues_dies_at_the_write(house: House, cut: Cut) -> None:
    """They are dead letters still, or due: the relay publishes what nobody else does."""
    await house.consumer()
    ids = await failed(house, 3)
    house.target.script(OK)
    store, _ = severable(house.store, "revive", cut)
    with pytest.raises(StoreUnavailable):
        await house.make_sweep(store).requeue(ALL, limit=10, cursor=None)
    if cut is Cut.BEFORE:
        assert [await house.status(task_id) for task_id in ids] == [Status.FAILED] * 3
        return
    await house.later(HOLD)
    await house.heard(TaskSettled, 6)
    assert [await house.status(task_id) for task_id in ids] == [Status.SUCCEEDED] * 3


async def test_an_unreadable_message_stays_when_all_are_requeued(house: House) -> None:
    letter_id = await message(house)
    swept = await house.sweep.requeue(ALL, limit=10, cursor=None)
    assert (swept.matched, swept.ids) == (1, [])
    letter = await house.store.dead_letter(letter_id)
    assert letter is not None
    assert (letter.kind, letter.raw) == (DeadLetterKind.MESSAGE, b"no task")


async def test_what_matches_is_purged(house: House) -> None:
    """Failed tasks with their records, messages with their bytes."""
    letter_id = await message(house)
    ids = await failed(house, 2)
    assert (await house.sweep.purge(ALL, limit=10, cursor=None, dry_run=True)).matched == 3
    assert set((await house.sweep.purge(ALL, limit=10, cursor=None)).ids) == {letter_id, *ids}
    assert (await house.store.list_dead_letters(limit=10, cursor=None)).items == []
    assert [await house.store.get(task_id) for task_id in ids] == [None, None]


async def test_one_is_deleted(house: House) -> None:
    letter_id = await message(house)
    (task_id,) = await failed(house, 1)
    for gone in (letter_id, task_id):
        await house.sweep.purge_one(gone)
        with pytest.raises(TaskUnknown):
            await house.sweep.purge_one(gone)


async def test_parts_come_one_after_the_other(house: House) -> None:
    await house.consumer()
    ids = await failed(house, 5)
    house.target.script(OK)
    done: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        swept = await house.sweep.requeue(ALL, limit=2, cursor=cursor)
        done += swept.ids
        cursor = swept.cursor
    assert (sorted(done), cursor) == (sorted(ids), None)


async def test_a_rollout_stops_when_too_many_fail_again(house: House) -> None:
    """The rest stay dead letters, and nothing has happened to them."""
    await house.consumer(workers=8)
    await failed(house, 40)
    rolled = await Rollout(house.sweep, house.store, stop_at=50).run(ALL, rate=20, limit=None)
    assert rolled.stopped
    assert rolled.failed == rolled.ended >= 10
    assert rolled.requeued < 40


async def test_a_rollout_that_goes_well_goes_on_to_its_limit(house: House) -> None:
    await house.consumer(workers=8)
    ids = await failed(house, 30)

    def answer(attempting: Attempting) -> Outcome:
        return OK if attempting.task.id != ids[0] else http_error(404)

    house.target.answer = answer
    rolled = await Rollout(house.sweep, house.store, stop_at=50).run(ALL, rate=25, limit=28)
    assert (rolled.matched, rolled.requeued, rolled.stopped) == (28, 28, False)
    assert rolled.ended >= 10


async def give_back_until_dead(house: House) -> None:
    """As consumers do that are paused, or end, before they get to it."""
    house.broker.consume([Lane.MEDIUM], 10, lambda delivery: house.broker.release([delivery]))
    await house.heard(DeliveriesUsedUp)
    house.broker.cancel_consume()


async def test_a_task_that_was_given_back_too_often_goes_on(house: House) -> None:
    """Nothing is wrong with it: it is published anew, and runs in its first attempt."""
    submitted = await house.submit()
    house.collect()
    await give_back_until_dead(house)
    assert await house.status(submitted.id) is Status.SCHEDULED
    await house.consumer()
    await house.relay.turn()
    await house.heard(TaskSettled)
    record = await house.record(submitted.id)
    assert (record.status, record.attempt, house.target.runs(submitted.id)) == (Status.SUCCEEDED, 1, 1)
    assert (await house.store.list_dead_letters(limit=10, cursor=None)).items == []


async def test_one_whose_record_is_lost_gets_it_back(house: House) -> None:
    """From the dead message, which is all that is left of it."""
    submitted = await house.submit()
    await house.lose_store()
    house.collect()
    await give_back_until_dead(house)
    assert (await house.record(submitted.id)).attempt == 0
    await house.consumer()
    await house.relay.turn()
    await house.heard(TaskSettled)
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_one_that_was_cancelled_meanwhile_stays_so(house: House) -> None:
    submitted = await house.submit()
    await house.cancellation.cancel(submitted.id)
    house.collect()
    await give_back_until_dead(house)
    assert await house.status(submitted.id) is Status.CANCELLED
