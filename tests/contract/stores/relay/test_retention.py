"""Retention: a finished task goes after its time, from everywhere, and a live one never."""

from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import LIVE, TERMINAL, Status
from taskrunner.stores.base import AcceptAnswer, Store
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    bring,
    claim,
    entries,
    entry,
    make_task,
    ref,
    settle,
    settling,
)

END = NOW + timedelta(seconds=KEEP)


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_a_finished_task_goes_when_its_time_is_over(store: Store, status: Status) -> None:
    """Not before; then record, body, list entry, count and dead letter are gone together."""
    task_id = await bring(store, status)
    assert await store.prune(now=END - timedelta(milliseconds=1), limit=10) == 0
    assert await store.get(task_id) is not None
    assert await store.prune(now=END, limit=10) == 1
    assert await store.get(task_id) is None
    assert await store.body(task_id) is None
    assert await store.dead_letter(task_id) is None
    assert (await store.list_tasks(None, limit=5, cursor=None)).items == []
    assert sum((await store.counts()).values()) == 0
    assert await store.prune(now=END, limit=10) == 0


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_a_live_task_is_never_pruned(store: Store, status: Status) -> None:
    """However old it is."""
    task_id = await bring(store, status)
    assert await store.prune(now=NOW + 9999 * DAY, limit=10) == 0
    assert await store.get(task_id) is not None


async def test_a_requeued_task_is_live_again(store: Store) -> None:
    """Its retention begins anew with its next end."""
    task_id = await bring(store, Status.FAILED)
    await store.requeue([task_id], now=NOW, due=NOW)
    assert await store.prune(now=NOW + 9999 * DAY, limit=10) == 0
    await claim(store, [ref(task_id, 2)])
    await settle(store, settling(task_id, 2, Status.SUCCEEDED), now=NOW + DAY)
    assert await store.prune(now=END, limit=10) == 0
    assert await store.prune(now=END + DAY, limit=10) == 1


async def test_pruning_is_bounded(store: Store) -> None:
    """At most as many as asked for, the oldest first, and the answer tells how many."""
    ids = [await bring(store, Status.SUCCEEDED) for _ in range(5)]
    assert await store.prune(now=END, limit=3) == 3
    assert await store.prune(now=END, limit=3) == 2
    assert [await store.get(task_id) for task_id in ids] == [None] * 5


async def test_a_pruned_id_can_be_used_again(store: Store) -> None:
    """Nothing of the old task is left."""
    task_id = await bring(store, Status.FAILED)
    await store.prune(now=END, limit=10)
    (answer,) = await store.accept([entry(make_task(id=task_id))])
    assert answer.answer is AcceptAnswer.CREATED
    record = await store.get(task_id)
    assert record is not None
    assert (record.attempt, record.attempts, record.error) == (0, (), None)


async def test_a_retention_of_no_time_and_of_all_time(store: Store) -> None:
    """Zero goes at once, and a very long one is no error."""
    brief, long = [await bring(store, Status.RUNNING) for _ in range(2)]
    items = [
        settling(brief, 1, Status.SUCCEEDED, keep=0.0),
        settling(long, 1, Status.SUCCEEDED, keep=float("inf")),
    ]
    assert list(await store.settle(items, now=NOW)) == [True, True]
    await store.prune(now=NOW + DAY, limit=10)
    assert await store.get(brief) is None
    assert await store.get(long) is not None


async def test_a_thousand_are_pruned_at_once(store: Store) -> None:
    """In one call."""
    tasks = entries(1000)
    await store.accept(tasks)
    await claim(store, [ref(new.id) for new in tasks])
    await store.settle([settling(new.id, 1, Status.FAILED) for new in tasks], now=NOW)
    assert await store.prune(now=END, limit=1000) == 1000
    assert sum((await store.counts()).values()) == 0
