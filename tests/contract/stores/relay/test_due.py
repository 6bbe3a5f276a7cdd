"""The due index: what is handed out, in which order, and to whom."""

import asyncio
from datetime import timedelta

import pytest

from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from tests.contract.stores.harness import (
    CONSUMER,
    NOW,
    Backend,
    bring,
    claim,
    entries,
    entry,
    fetch,
    make_task,
    ref,
)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


async def test_the_longest_overdue_come_first(store: Store) -> None:
    """As many as asked for, by due time; what is due later stays."""
    late, later, latest = (entry(due=NOW - seconds(s)) for s in (1, 2, 3))
    await store.accept([late, latest, later, entry(due=NOW + seconds(1))])
    assert [due.id for due in await store.take_due(now=NOW, limit=2, hold=9.0)] == [latest.id, later.id]
    assert [due.id for due in await store.take_due(now=NOW, limit=2, hold=9.0)] == [late.id]


async def test_a_task_is_due_at_its_very_moment(store: Store) -> None:
    """Not a millisecond before."""
    await store.accept([entry()])
    assert not await store.take_due(now=NOW - timedelta(milliseconds=1), limit=1, hold=1.0)
    assert await store.take_due(now=NOW, limit=1, hold=1.0)


@pytest.mark.parametrize("days", [1, 366, 5 * 366])
async def test_a_far_moment_is_as_exact_as_a_near_one(store: Store, days: int) -> None:
    """Five years ahead, to the millisecond."""
    moment = NOW + timedelta(days=days, milliseconds=1)
    new = entry(due=moment)
    await store.accept([new])
    assert (await fetch(store, new.id)).due == moment
    assert not await store.take_due(now=moment - timedelta(milliseconds=1), limit=1, hold=1.0)
    assert await store.take_due(now=moment, limit=1, hold=1.0)


async def test_what_was_taken_is_due_again_after_the_hold(store: Store) -> None:
    """A relay that dies with tasks in its hands loses none."""
    new = entry()
    await store.accept([new])
    assert await store.take_due(now=NOW, limit=1, hold=10.0)
    assert (await fetch(store, new.id)).due == NOW + seconds(10)
    assert not await store.take_due(now=NOW + seconds(9.9), limit=1, hold=10.0)
    assert await store.take_due(now=NOW + seconds(10), limit=1, hold=10.0)


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.QUEUED, Status.RETRYING])
async def test_what_is_handed_out_can_be_published(store: Store, status: Status) -> None:
    """Everything that an envelope needs comes with it."""
    new = entry(make_task(queue="high"))
    task_id = await bring(store, status, **{name: getattr(new, name) for name in ("id", "encoded", "queue")})
    (due,) = await store.take_due(now=NOW + seconds(999_999), limit=9, hold=1.0)
    assert (due.id, due.status, due.queue, due.encoded) == (task_id, status, "high", new.encoded)
    assert (due.attempt, due.attempt_limit) == (int(status is Status.RETRYING), 3)
    assert due.running is None


async def test_a_lease_that_ran_out_is_handed_out_with_its_attempt(store: Store) -> None:
    """Who ran it and since when is known to the relay that ends it."""
    task_id = await bring(store, Status.RUNNING)
    assert not await store.take_due(now=NOW + seconds(29), limit=9, hold=1.0)
    (due,) = await store.take_due(now=NOW + seconds(30), limit=9, hold=1.0)
    assert (due.id, due.status, due.attempt) == (task_id, Status.RUNNING, 1)
    assert due.running == Attempt(number=1, started_at=NOW, consumer=CONSUMER)


async def test_a_renewed_lease_runs_on(store: Store) -> None:
    """The relay leaves a task alone whose worker is alive."""
    task_id = await bring(store, Status.RUNNING)
    await store.renew([ref(task_id)], lease_until=NOW + seconds(60))
    assert not await store.take_due(now=NOW + seconds(59), limit=9, hold=1.0)


async def test_a_task_that_is_being_taken_can_still_be_claimed(store: Store) -> None:
    """The hold only moves the due time."""
    task_id = await bring(store, Status.SCHEDULED)
    await store.take_due(now=NOW, limit=1, hold=5.0)
    (answer,) = await claim(store, [ref(task_id)])
    assert answer.attempt_limit == 3


async def test_two_relays_never_get_the_same_task(backend: Backend) -> None:
    """Concurrent takers share what is due, and all of it goes out once."""
    stores = [await backend.open() for _ in range(2)]
    tasks = entries(300)
    await stores[0].accept(tasks)
    takes = [store.take_due(now=NOW, limit=40, hold=60.0) for store in stores for _ in range(5)]
    taken = [due.id for part in await asyncio.gather(*takes) for due in part]
    assert sorted(taken) == sorted(new.id for new in tasks)


async def test_a_thousand_at_once(store: Store) -> None:
    """The limit is the caller's."""
    await store.accept(entries(1000))
    assert len(await store.take_due(now=NOW, limit=1000, hold=1.0)) == 1000


async def test_none_at_all(store: Store) -> None:
    """An empty index and a limit of nothing are no errors."""
    assert list(await store.take_due(now=NOW, limit=10, hold=1.0)) == []
    await store.accept([entry()])
    assert list(await store.take_due(now=NOW, limit=0, hold=1.0)) == []


async def test_large_tasks_all_come_out(store: Store) -> None:
    """Tasks of many MiB in all come in parts, and none is left behind."""
    tasks = [entry(make_task(body="x" * 300_000)) for _ in range(60)]
    await store.accept(tasks)
    taken: list[str] = []
    while part := await store.take_due(now=NOW, limit=60, hold=60.0):
        taken += [due.id for due in part]
    assert sorted(taken) == sorted(new.id for new in tasks)
