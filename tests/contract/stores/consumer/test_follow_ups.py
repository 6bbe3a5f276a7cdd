"""Follow-ups: the task that is accepted in the same atomic step as the end of another."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.stores.base import AttemptRef, NewTask, Store
from taskrunner.stores.connection import cut
from taskrunner.stores.consumer_store import follow_up_bytes, settlement_bytes
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    Backend,
    attempts_made,
    bring,
    claim,
    entries,
    entry,
    fetch,
    make_task,
    ref,
    settle,
    settling,
    status_of,
)

End = Callable[[Store, AttemptRef], Awaitable[bool]]


async def fail(store: Store, ending: AttemptRef, *, past_deadline: bool = False) -> bool:
    (done,) = await store.fail(
        [ending], now=NOW, reason="r", error="e", retention=KEEP, past_deadline=past_deadline
    )
    return done


async def cancel(store: Store, ending: AttemptRef) -> bool:
    (done,) = await store.cancel([ending], now=NOW, error="e", retention=KEEP)
    return done


ENDS = [fail, cancel]


def following(task_id: str, attempt: int, new: NewTask) -> AttemptRef:
    return AttemptRef(id=task_id, attempt=attempt, follow_ups=(new,))


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_it_comes_with_the_end_of_an_attempt(store: Store, status: Status) -> None:
    """It is like any accepted task: due, listed, counted, and can run."""
    task_id, new = await bring(store, Status.RUNNING), entry()
    assert await settle(store, settling(task_id, 1, status, follow_ups=(new,)))
    assert await status_of(store, task_id) is status
    record = await fetch(store, new.id)
    assert (record.status, record.due, record.attempt_limit) == (Status.SCHEDULED, NOW, new.max_attempts)
    counts = await store.counts()
    assert (counts[Status.SCHEDULED], counts[status]) == (1, 1)
    assert [due.id for due in await store.take_due(now=NOW, limit=9, hold=1.0)] == [new.id]
    await claim(store, [ref(new.id)])
    assert await settle(store, settling(new.id, 1, Status.SUCCEEDED))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("status", sorted(CLAIMABLE))
async def test_it_comes_with_an_end_without_a_run(store: Store, status: Status, end: End) -> None:
    task_id, new = await bring(store, status), entry()
    assert await end(store, following(task_id, attempts_made(status) + 1, new))
    assert await status_of(store, new.id) is Status.SCHEDULED
    assert [due.id for due in await store.take_due(now=NOW + DAY, limit=9, hold=1.0)] == [new.id]


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_that_is_refused_brings_none(store: Store, end: End) -> None:
    """All or nothing."""
    finished, new = await bring(store, Status.SUCCEEDED), entry()
    assert not await settle(store, settling(finished, 1, Status.FAILED, follow_ups=(new,)))
    assert not await end(store, following(finished, 2, new))
    assert not await end(store, following("nobody", 1, new))
    assert await store.get(new.id) is None
    assert (await store.counts())[Status.SCHEDULED] == 0


async def test_of_an_attempt_that_ends_twice_in_a_batch_one_comes(store: Store) -> None:
    task_id, first, second = await bring(store, Status.RUNNING), entry(), entry()
    items = [
        settling(task_id, 1, Status.SUCCEEDED, follow_ups=(first,)),
        settling(task_id, 1, Status.FAILED, follow_ups=(second,)),
    ]
    assert list(await store.settle(items, now=NOW)) == [True, False]
    assert (await store.counts())[Status.SCHEDULED] == 1
    assert await store.get(second.id) is None


async def test_in_a_batch_each_has_its_own(store: Store) -> None:
    """Some have none, and who follows whom is never mixed up."""
    ids = [await bring(store, Status.RUNNING) for _ in range(7)]
    news = [entry(max_attempts=number + 1) if number % 3 else None for number in range(7)]
    items = [
        settling(task_id, 1, Status.SUCCEEDED, follow_ups=(new,) if new else ())
        for task_id, new in zip(ids, news, strict=True)
    ]
    assert all(await store.settle(items, now=NOW))
    for new in news:
        if new is not None:
            assert (await fetch(store, new.id)).attempt_limit == new.max_attempts
    waiting = [await bring(store, Status.QUEUED) for _ in range(7)]
    refs = [
        ref(task_id) if number % 2 else following(task_id, 1, entry())
        for number, task_id in enumerate(waiting)
    ]
    assert all(await store.cancel(refs, now=NOW, error="e", retention=KEEP))
    assert (await store.counts())[Status.SCHEDULED] == 4 + 4


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_brings_all_that_follow_it(store: Store, end: End) -> None:
    """And no end of a batch brings those of another one."""
    task_id, waiting = await bring(store, Status.RUNNING), await bring(store, Status.QUEUED)
    many, more = [entry() for _ in range(20)], [entry() for _ in range(3)]
    other, refused = await bring(store, Status.RUNNING), [entry(), entry()]
    items = [
        settling(task_id, 1, Status.SUCCEEDED, follow_ups=tuple(many)),
        settling(other, 2, Status.SUCCEEDED, follow_ups=tuple(refused)),
        settling(other, 1, Status.SUCCEEDED, follow_ups=(more[0],)),
    ]
    assert list(await store.settle(items, now=NOW)) == [True, False, True]
    assert await end(store, AttemptRef(id=waiting, attempt=1, follow_ups=tuple(more[1:])))
    due = {each.id for each in await store.take_due(now=NOW, limit=99, hold=1.0)}
    assert due == {new.id for new in (*many, *more)}
    assert [await store.get(new.id) for new in refused] == [None, None]


async def test_more_than_one_batch_of_them(store: Store) -> None:
    size = 600
    tasks = [entry() for _ in range(size)]
    await store.accept(tasks)
    await claim(store, [ref(new.id) for new in tasks])
    items = [settling(new.id, 1, Status.SUCCEEDED, follow_ups=(entry(),)) for new in tasks]
    assert all(await store.settle(items, now=NOW))
    counts = await store.counts()
    assert (counts[Status.SCHEDULED], counts[Status.SUCCEEDED]) == (size, size)


@pytest.mark.parametrize("end", ["settle", "fail", "cancel"])
async def test_dozens_follow_each_of_a_batch(store: Store, end: str) -> None:
    """A callback and forty webhooks, each with a body, are more than one statement or script can carry."""
    tasks = entries(50)
    following = [tuple(entry(make_task(body="x" * 8192)) for _ in range(41)) for _ in tasks]
    items = [
        settling(new.id, 1, Status.SUCCEEDED, follow_ups=news)
        for new, news in zip(tasks, following, strict=True)
    ]
    refs = [AttemptRef(id=item.id, attempt=1, follow_ups=item.follow_ups) for item in items]
    await store.accept(tasks)
    if end == "settle":
        await claim(store, [ref(new.id) for new in tasks])
        assert all(await store.settle(items, now=NOW))
    elif end == "fail":
        assert all(await store.fail(refs, now=NOW, reason="r", error="e", retention=KEEP))
    else:
        assert all(await store.cancel(refs, now=NOW, error="e", retention=KEEP))
    assert (await store.counts())[Status.SCHEDULED] == 50 * 41


def test_a_batch_is_cut_by_what_follows_it() -> None:
    """Each part of a batch is one call, and follow-ups are most of its bytes."""
    new = entry()
    size = len(new.encoded)
    refs = [AttemptRef(id=str(number), attempt=1, follow_ups=(new, new)) for number in range(4)]
    items = [settling(each.id, 1, Status.SUCCEEDED, follow_ups=each.follow_ups) for each in refs]
    body = len(items[0].result.body) if items[0].result is not None else 0
    limit = 4 * size + 2 * body
    assert [settlement_bytes(item) for item in items] == [2 * size + body] * 4
    assert [len(part) for part in cut(refs, follow_up_bytes, item_limit=9, byte_limit=limit)] == [2, 2]
    assert [len(part) for part in cut(items, settlement_bytes, item_limit=9, byte_limit=limit)] == [2, 2]


async def test_of_many_that_end_a_task_one_is_followed(backend: Backend) -> None:
    """Whoever comes second has told nobody."""
    stores = [await backend.open() for _ in range(3)]
    task_id = await bring(stores[0], Status.QUEUED)
    news = [entry() for _ in range(9)]
    done = await asyncio.gather(
        *(cancel(stores[number % 3], following(task_id, 1, new)) for number, new in enumerate(news))
    )
    assert sum(done) == 1
    assert (await stores[0].counts())[Status.SCHEDULED] == 1
    assert await stores[0].get(news[done.index(True)].id) is not None


async def test_only_a_task_past_its_deadline_fails_by_it(store: Store) -> None:
    """Between the look and the write a task may have been requeued, and then has no deadline any more."""
    late = await bring(store, Status.QUEUED, deadline=NOW)
    early = await bring(store, Status.QUEUED, deadline=NOW + timedelta(milliseconds=1))
    never = await bring(store, Status.QUEUED)
    done = [
        await fail(store, following(each, 1, entry()), past_deadline=True) for each in (late, early, never)
    ]
    assert done == [True, False, False]
    assert (await store.counts())[Status.SCHEDULED] == 1


async def test_a_task_past_its_deadline_comes_with_its_attempts(store: Store) -> None:
    """ClaimedAttempt ones are not among them, and nothing is changed by asking."""
    end = NOW + timedelta(seconds=1)
    task_id = await bring(store, Status.RETRYING, deadline=end)
    await bring(store, Status.RUNNING, deadline=end)
    for _ in range(2):
        (due,) = await store.past_deadline(now=end, limit=9)
        assert (due.id, due.status, due.attempt) == (task_id, Status.RETRYING, 1)
    assert not await store.past_deadline(now=end - timedelta(milliseconds=1), limit=9)
