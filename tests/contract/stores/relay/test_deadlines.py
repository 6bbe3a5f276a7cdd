"""Deadlines: from then on no attempt starts, and a task that waits has failed."""

import asyncio
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, LIVE, TERMINAL, Status
from taskrunner.stores.base import ClaimAnswer, Store
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    Backend,
    bring,
    claim,
    entry,
    fetch,
    make_task,
    ref,
    settle,
    settling,
    status_of,
)

END = NOW + timedelta(minutes=1)
INSTANT = timedelta(milliseconds=1)


async def fail_past_deadline(store: Store, now: datetime = END, limit: int = 9) -> int:
    """Fail the tasks past their deadline, as the cleaner does; answers how many."""
    refs = [ref(due.id, due.attempt + 1) for due in await store.past_deadline(now=now, limit=limit)]
    return sum(
        await store.fail(
            refs, now=now, reason="expired", error="too late", retention=KEEP, past_deadline=True
        )
    )


@pytest.mark.parametrize("status", sorted(CLAIMABLE))
async def test_a_waiting_task_fails_at_its_deadline(store: Store, status: Status) -> None:
    """Not a millisecond before, with its reason, as a dead letter, without another attempt, and once."""
    task_id = await bring(store, status, deadline=END)
    before = await fetch(store, task_id)
    assert await fail_past_deadline(store, END - INSTANT) == 0
    assert await fail_past_deadline(store) == 1
    record = await fetch(store, task_id)
    assert (record.status, record.reason, record.error) == (Status.FAILED, "expired", "too late")
    assert (record.attempt, record.attempts, record.due) == (before.attempt, before.attempts, None)
    assert record.kept_until == END + timedelta(seconds=KEEP)
    letter = await store.dead_letter(task_id)
    assert letter is not None
    assert letter.reason == "expired"
    assert not await store.take_due(now=NOW + DAY, limit=9, hold=1.0)
    counts = await store.counts()
    assert {each: count for each, count in counts.items() if count} == {Status.FAILED: 1}
    assert await fail_past_deadline(store) == 0


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_a_task_without_a_deadline_waits_on(store: Store, status: Status) -> None:
    task_id = await bring(store, status)
    assert await fail_past_deadline(store, NOW + 9999 * DAY) == 0
    assert await status_of(store, task_id) is status


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_a_finished_task_keeps_its_status(store: Store, status: Status) -> None:
    """A terminal status never changes."""
    task_id = await bring(store, status, deadline=END)
    assert await fail_past_deadline(store) == 0
    assert await status_of(store, task_id) is status


async def test_a_running_attempt_goes_on_but_none_follows(store: Store) -> None:
    """Its success counts; a retry would come after the deadline."""
    good, bad = [await bring(store, Status.RUNNING, deadline=END) for _ in range(2)]
    assert await fail_past_deadline(store) == 0
    assert await settle(store, settling(good, 1, Status.SUCCEEDED), now=END)
    assert await settle(store, settling(bad, 1, Status.RETRYING), now=END)
    assert await fail_past_deadline(store) == 1
    assert await status_of(store, good) is Status.SUCCEEDED
    record = await fetch(store, bad)
    assert (record.status, record.reason, len(record.attempts)) == (Status.FAILED, "expired", 1)


@pytest.mark.parametrize("status", sorted(CLAIMABLE))
async def test_no_attempt_starts_from_the_deadline_on(store: Store, status: Status) -> None:
    """Whether or not somebody has failed it already; before, it may."""
    ids = [await bring(store, status, deadline=END) for _ in range(2)]
    number = 2 if status is Status.RETRYING else 1
    (early,) = await claim(store, [ref(ids[0], number)], now=END - INSTANT)
    (late,) = await claim(store, [ref(ids[1], number)], now=END)
    assert (early.answer, late.answer) == (ClaimAnswer.CLAIMED, ClaimAnswer.PAST_DEADLINE)
    assert await status_of(store, ids[1]) is status
    await fail_past_deadline(store)
    (gone,) = await claim(store, [ref(ids[1], number)], now=END)
    assert gone.answer is ClaimAnswer.STALE


async def test_a_requeued_task_has_no_deadline_any_more(store: Store) -> None:
    """Somebody wants it in spite of that."""
    task_id = await bring(store, Status.SCHEDULED, deadline=END)
    await fail_past_deadline(store)
    (due,) = await store.requeue([task_id], now=END, due=END)
    assert due is not None
    assert await fail_past_deadline(store, END + DAY) == 0
    (answer,) = await claim(store, [ref(task_id)], now=END + DAY)
    assert answer.answer is ClaimAnswer.CLAIMED


async def test_the_first_deadlines_come_first_and_within_the_limit(store: Store) -> None:
    new = [entry(deadline=END - timedelta(seconds=second)) for second in range(5)]
    await store.accept(new)
    assert await fail_past_deadline(store, limit=3) == 3
    assert [await status_of(store, each.id) for each in new] == [Status.SCHEDULED] * 2 + [Status.FAILED] * 3
    assert await fail_past_deadline(store, limit=3) == 2


async def test_running_tasks_do_not_stand_in_the_way(store: Store) -> None:
    """However many of them are beyond their deadline, those that wait are found in a few calls."""
    for second in range(5):
        await bring(store, Status.RUNNING, deadline=END - timedelta(seconds=second))
    waiting = await bring(store, Status.QUEUED, deadline=END)
    for _ in range(3):
        await fail_past_deadline(store, limit=2)
    assert await status_of(store, waiting) is Status.FAILED


async def test_an_id_that_is_used_again_has_its_own_deadline(store: Store) -> None:
    """Nothing of the old task's is left."""
    task_id = await bring(store, Status.SUCCEEDED, deadline=END)
    await store.prune(now=NOW + timedelta(seconds=KEEP), limit=9)
    await store.accept([entry(make_task(id=task_id))])
    assert await fail_past_deadline(store, NOW + DAY) == 0
    assert await status_of(store, task_id) is Status.SCHEDULED


async def test_two_cleaners_fail_each_task_once(backend: Backend) -> None:
    stores = [await backend.open() for _ in range(2)]
    await stores[0].accept([entry(deadline=END) for _ in range(100)])
    failed = await asyncio.gather(
        *(fail_past_deadline(store, limit=30) for store in stores for _ in range(4))
    )
    left = await fail_past_deadline(stores[0], limit=100)
    assert sum(failed) + left == 100
    assert (await stores[0].counts())[Status.FAILED] == 100


async def test_a_thousand_fail_at_once(store: Store) -> None:
    await store.accept([entry(deadline=END) for _ in range(1000)])
    assert await fail_past_deadline(store, limit=1000) == 1000
    assert await store.prune(now=END + timedelta(seconds=KEEP), limit=1000) == 1000
