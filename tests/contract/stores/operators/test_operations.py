"""What operators ask: cancel, delete, requeue and pause."""

from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.stores.base import AcceptAnswer, Accepted, ClaimAnswer, Store
from tests.contract.stores.changes import (
    LATER,
    cancel,
    every_status,
    fail,
    finish,
    mark,
    postpone,
    renew,
    start,
)
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    attempts_made,
    bring,
    entry,
    fetch,
    make_task,
    ref,
)
from tests.tools.waiting import in_time


@every_status
async def test_cancelled(store: Store, status: Status) -> None:
    """A task that waits can be cancelled by one write; it is no dead letter."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    done = await cancel(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    assert done is (status in CLAIMABLE)
    if done:
        assert (after.status, after.reason, after.error) == (Status.CANCELLED, "cancelled", "by request")
        assert (after.due, after.attempt, after.finished_at) == (None, before.attempt, LATER)
        assert after.kept_until == LATER + timedelta(seconds=KEEP)
        assert await store.dead_letter(task_id) is None
    else:
        assert after == before


async def test_pauses_are_kept(store: Store) -> None:
    """With the time of the first; what is resumed is gone."""
    assert await store.pauses() == {}
    await store.pause("queue:high", now=NOW)
    await store.pause("queue:high", now=LATER)
    await store.pause("label:team=r\u00f6d", now=LATER)
    assert await store.pauses() == {"queue:high": NOW, "label:team=r\u00f6d": LATER}
    assert await store.resume("queue:high")
    assert not await store.resume("queue:high")
    assert await store.pauses() == {"label:team=r\u00f6d": LATER}


@every_status
async def test_deleted(store: Store, status: Status) -> None:
    """Nothing is left of a task in any list, count, index or body; its id stands for nothing new."""
    task_id = await bring(store, status)
    assert await store.delete([task_id, task_id], now=LATER, retention=KEEP) == [True, False]
    assert await store.get(task_id) is None
    assert await store.body(task_id) is None
    assert await store.dead_letter(task_id) is None
    assert set((await store.counts()).values()) == {0}
    assert (await store.list_tasks(None, limit=5, cursor=None)).items == []
    assert (await store.list_dead_letters(limit=5, cursor=None)).items == []
    assert await store.take_due(now=NOW + 3 * DAY, limit=5, hold=1.0) == []
    for number in (1, 2):
        assert await start(store, task_id, number) is ClaimAnswer.STALE
        assert await store.still_running([ref(task_id, number)]) == [False]
        assert not await fail(store, task_id, number)
        assert not await cancel(store, task_id, number)
        assert not await renew(store, task_id, number)
        assert not await finish(store, task_id, number)
        await mark(store, task_id, number)
        await postpone(store, task_id, number)
    assert await store.requeue([task_id], now=LATER, due=LATER) == [None]
    assert await store.get(task_id) is None


@every_status
async def test_deleted_only_in_a_status(store: Store, status: Status) -> None:
    """A task that has moved on since somebody looked is left as it is."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    other = next(each for each in Status if each is not status)
    assert await store.delete([task_id], now=LATER, retention=KEEP, status=other) == [False]
    assert await fetch(store, task_id) == before
    assert await store.delete([task_id], now=LATER, retention=KEEP, status=status) == [True]


async def test_a_deleted_id_is_a_conflict_until_it_is_forgotten(store: Store) -> None:
    """A message that is still out must not come back as a new task; later the id is free."""
    task_id = await bring(store, Status.QUEUED)
    await store.delete([task_id], now=NOW, retention=0.001)
    new = entry(make_task(id=task_id))
    async with in_time("the id is free again"):
        while (await store.accept([new]))[0].answer is not AcceptAnswer.CREATED:
            await store.prune(now=NOW + DAY, limit=10)
    await store.delete([task_id], now=NOW, retention=KEEP)
    assert await store.accept([new]) == [Accepted(id=task_id, answer=AcceptAnswer.CONFLICT)]
    await store.prune(now=NOW, limit=10)
    assert set((await store.counts()).values()) == {0}


async def test_the_key_of_a_deleted_task_stays_taken(store: Store) -> None:
    """A late repetition makes no second task; another request under the key is a conflict."""
    first, second = (entry(idempotency_key="key", fingerprint="a") for _ in range(2))
    await store.accept([first])
    await store.delete([first.id], now=NOW, retention=KEEP)
    assert await store.accept([second]) == [Accepted(id=first.id, answer=AcceptAnswer.EXISTS)]
    other = entry(idempotency_key="key", fingerprint="b")
    assert await store.accept([other]) == [Accepted(id=first.id, answer=AcceptAnswer.CONFLICT)]


@every_status
async def test_requeued(store: Store, status: Status) -> None:
    """Only a failed task comes back, with as many attempts as a new one and with its history."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    (due,) = await store.requeue([task_id], now=LATER, due=LATER)
    after = await fetch(store, task_id)
    if status is Status.FAILED:
        assert due is not None
        assert (due.id, due.status, due.attempt, due.attempt_limit) == (task_id, Status.SCHEDULED, 1, 4)
        assert (after.status, after.due, after.attempt_limit) == (Status.SCHEDULED, LATER, 4)
        assert after.attempts == before.attempts
        assert (after.finished_at, after.kept_until) == (None, None)
    else:
        assert due is None
        assert after == before


@pytest.mark.parametrize("count", [0, 1, 3, 1_200])
async def test_many_records_are_read_at_once(store: Store, count: int) -> None:
    """Each as `get` answers it, more than one statement carries; ids that have no record are left out."""
    made = [entry(make_task(id=f"many-{number}")) for number in range(count)]
    await store.accept(made)
    wanted = [new.id for new in made]
    found = await store.get_many([*wanted, "nobody", "nob\u00f6dy", *wanted[:1]])
    assert sorted(found) == sorted(wanted)
    for task_id in {*wanted[:1], *wanted[-1:]}:
        assert found[task_id] == await store.get(task_id)


async def test_many_records_are_read_in_any_status(store: Store) -> None:
    """A deleted task has no record."""
    wanted = [await bring(store, status) for status in Status]
    assert await store.delete(wanted[:1], now=NOW, retention=KEEP) == [True]
    found = await store.get_many(wanted)
    assert found == {task_id: await fetch(store, task_id) for task_id in wanted[1:]}
