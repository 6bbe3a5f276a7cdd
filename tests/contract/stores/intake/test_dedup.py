"""Dedup keys: one task holds a key, and another one takes it only when it is free or replaced."""

import asyncio
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.tasks.dedup import Dedup
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import CLAIMABLE, LIVE, Status
from taskrunner.domain.value import replace as changed
from taskrunner.stores.base import AcceptAnswer, AttemptRef, Replaced, Store
from taskrunner.stores.relay_store import DEDUP_AGAIN
from tests.contract.stores.changes import every_status
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

CREATED, HELD = AcceptAnswer.CREATED, AcceptAnswer.HELD
TTL = 600.0
KEYS = ["k", "with blanks and / ~ * '", "name\tk", "ü" * 80]


def keyed(
    key: str = "k", *, ttl: float | None = None, at: datetime = NOW, task_id: str | None = None
) -> NewTask:
    """A task with a dedup key, accepted at a time."""
    task = make_task(dedup=Dedup(key=key, ttl=ttl), created_at=at)
    return entry(task if task_id is None else changed(task, id=task_id), dedup_key=key)


async def accept(store: Store, new: NewTask) -> tuple[AcceptAnswer, str]:
    (answer,) = await store.accept([new])
    return answer.answer, answer.id


async def replace(
    store: Store, new: NewTask, holder: AttemptRef, now: datetime = NOW + timedelta(seconds=5)
) -> Replaced:
    return await store.replace(new, holder, now=now, error="replaced", retention=KEEP)


async def hold(store: Store, status: Status, ttl: float | None = None) -> str:
    """The id of a task with this status that took the key `k`."""
    return await bring(store, status, task=keyed(ttl=ttl).task, dedup_key="k")


@pytest.mark.parametrize("key", KEYS)
async def test_a_live_task_holds_its_key(store: Store, key: str) -> None:
    """The other is not written, whatever its key looks like; another key is free."""
    first, second = keyed(key), keyed(key)
    assert await accept(store, first) == (CREATED, first.id)
    assert await accept(store, second) == (HELD, first.id)
    assert await store.get(second.id) is None
    assert (await accept(store, keyed(f"{key}2")))[0] is CREATED


@every_status
@pytest.mark.parametrize("ttl", [None, TTL])
async def test_who_holds_a_key(store: Store, status: Status, ttl: float | None) -> None:
    """A live task, and one that has succeeded or failed until the end of its ttl; none that was cancelled."""
    holder = await hold(store, status, ttl)
    before_end = ttl is not None and status in {Status.SUCCEEDED, Status.FAILED}
    just_before = NOW + timedelta(seconds=TTL - 0.001)
    expected = HELD if status in LIVE or before_end else CREATED
    answer, found = await accept(store, keyed(at=just_before))
    assert (answer, found == holder) == (expected, expected is HELD)


async def test_the_ttl_ends(store: Store) -> None:
    holder = await hold(store, Status.SUCCEEDED, TTL)
    at_end = NOW + timedelta(seconds=TTL)
    assert await accept(store, keyed(at=at_end - timedelta(milliseconds=1))) == (HELD, holder)
    assert (await accept(store, keyed(at=at_end)))[0] is CREATED


@every_status
async def test_a_deleted_task_frees_its_key(store: Store, status: Status) -> None:
    holder = await hold(store, status, TTL)
    await store.delete([holder], now=NOW, retention=KEEP)
    assert (await accept(store, keyed()))[0] is CREATED


async def test_a_batch_behaves_as_its_tasks_one_after_the_other(store: Store) -> None:
    first, second, third, plain = keyed(), keyed(), keyed("other"), entry()
    answers = await store.accept([first, second, third, plain])
    found = [(each.answer, each.id) for each in answers]
    assert found == [(CREATED, first.id), (HELD, first.id), (CREATED, third.id), (CREATED, plain.id)]


async def test_the_same_call_again_is_no_rival_of_itself(store: Store) -> None:
    """A submit repeated by id finds its own task."""
    new = keyed()
    await store.accept([new])
    assert await accept(store, new) == (AcceptAnswer.EXISTS, new.id)


async def test_an_idempotency_key_is_looked_at_first(store: Store) -> None:
    """A repetition gets its own task, whoever holds the dedup key by now."""
    first = changed(keyed(), idempotency_key="i", fingerprint="f")
    await store.accept([first])
    again = changed(keyed(), idempotency_key="i", fingerprint="f")
    assert await accept(store, again) == (AcceptAnswer.EXISTS, first.id)


async def test_concurrent_submits_make_one_task(backend: Backend) -> None:
    """Of many submits of a free key on several connections, one is accepted, and all others name it."""
    stores = [await backend.open() for _ in range(3)]
    rivals = [keyed() for _ in range(24)]
    answers = await asyncio.gather(*(accept(stores[number % 3], new) for number, new in enumerate(rivals)))
    created = [found for answer, found in answers if answer is CREATED]
    assert len(created) == 1
    assert {found for _, found in answers} == set(created)
    assert (await stores[0].counts())[Status.SCHEDULED] == 1


async def test_concurrent_batches_of_keys_in_opposite_order_make_one_task_each(backend: Backend) -> None:
    """None of them waits for another one that waits for it."""
    stores = [await backend.open() for _ in range(4)]
    keys = [f"k{number}" for number in range(50)]
    batches = [[keyed(key) for key in (keys if number % 2 else keys[::-1])] for number in range(4)]
    answers = await asyncio.gather(
        *(store.accept(batch) for store, batch in zip(stores, batches, strict=True))
    )
    assert sum(each.answer is CREATED for batch in answers for each in batch) == len(keys)
    assert {each.answer for batch in answers for each in batch} == {CREATED, HELD}


async def test_concurrent_submits_of_a_key_that_has_become_free_make_one_task(backend: Backend) -> None:
    """Also where the key has a row or a field already."""
    stores = [await backend.open() for _ in range(3)]
    await hold(stores[0], Status.SUCCEEDED)
    answers = await asyncio.gather(*(accept(stores[number % 3], keyed()) for number in range(24)))
    created = [found for answer, found in answers if answer is CREATED]
    assert len(created) == 1
    assert {found for _, found in answers} == set(created)


@pytest.mark.parametrize("status", sorted(CLAIMABLE))
async def test_a_waiting_holder_is_replaced(store: Store, status: Status) -> None:
    """It is cancelled, with its callback, in the step that accepts the other."""
    holder = await hold(store, status, TTL)
    waiting = (await fetch(store, holder)).attempt + 1
    reports, new = (entry(), entry()), keyed(ttl=TTL)
    found = await replace(store, new, AttemptRef(id=holder, attempt=waiting, follow_ups=reports))
    assert (found.accepted.answer, found.accepted.id, found.cancelled) == (CREATED, new.id, True)
    record = await fetch(store, holder)
    assert (record.status, record.error, record.due) == (Status.CANCELLED, "replaced", None)
    assert record.kept_until == NOW + timedelta(seconds=5 + KEEP)
    assert {await status_of(store, each.id) for each in (new, *reports)} == {Status.SCHEDULED}
    assert await accept(store, keyed()) == (HELD, new.id)
    counts = await store.counts()
    assert (counts[Status.SCHEDULED], counts[Status.CANCELLED]) == (3, 1)


async def test_a_running_holder_runs_on_and_the_other_takes_the_key(store: Store) -> None:
    holder, new = await hold(store, Status.RUNNING), keyed()
    running = (await fetch(store, holder)).attempt
    found = await replace(store, new, ref(holder, running + 1))
    assert (found.accepted.answer, found.cancelled) == (CREATED, False)
    assert await status_of(store, holder) is Status.RUNNING
    assert await accept(store, keyed()) == (HELD, new.id)
    assert await settle(store, settling(holder, running, Status.SUCCEEDED))
    assert await accept(store, keyed()) == (HELD, new.id)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_a_holder_that_has_ended_is_left_as_it_is(store: Store, status: Status) -> None:
    holder, new = await hold(store, status, TTL), keyed()
    found = await replace(store, new, ref(holder, 9))
    assert (found.accepted.answer, found.cancelled) == (CREATED, False)
    assert await status_of(store, holder) is status
    assert await accept(store, keyed()) == (HELD, new.id)


async def test_a_holder_that_has_moved_on_is_not_replaced(store: Store) -> None:
    """Nor is another one: nothing is written, and the answer names who holds the key now."""
    holder, new = await hold(store, Status.QUEUED), keyed()
    for stale in (ref(holder, 2), ref("other", 1)):
        found = await replace(store, new, stale)
        assert (found.accepted.answer, found.accepted.id, found.cancelled) == (HELD, holder, False)
    assert await store.get(new.id) is None
    assert await status_of(store, holder) is Status.QUEUED


async def test_concurrent_replacements_leave_one_alive(backend: Backend) -> None:
    """One wins; the others are told of it, and can replace it in turn."""
    stores = [await backend.open() for _ in range(3)]
    holder = await hold(stores[0], Status.SCHEDULED)
    rivals = [keyed() for _ in range(12)]
    found = await asyncio.gather(
        *(replace(stores[number % 3], new, ref(holder)) for number, new in enumerate(rivals))
    )
    winners = [each.accepted.id for each in found if each.accepted.answer is CREATED]
    assert len(winners) == 1
    assert {each.accepted.id for each in found} == set(winners)
    counts = await stores[0].counts()
    assert (counts[Status.SCHEDULED], counts[Status.CANCELLED]) == (1, 1)


async def test_a_replacement_obeys_ids_and_idempotency_keys(store: Store) -> None:
    """They may have been taken since the first answer."""
    holder = await hold(store, Status.SCHEDULED)
    taken = entry(idempotency_key="i", fingerprint="f")
    await store.accept([taken])
    cases: list[tuple[NewTask, AcceptAnswer, str]] = [
        (keyed(task_id=taken.id), AcceptAnswer.EXISTS, taken.id),
        (changed(keyed(), idempotency_key="i", fingerprint="f"), AcceptAnswer.EXISTS, taken.id),
        (changed(keyed(), idempotency_key="i", fingerprint="g"), AcceptAnswer.CONFLICT, taken.id),
    ]
    for new, answer, stored in cases:
        found = await replace(store, new, ref(holder))
        assert (found.accepted.answer, found.accepted.id, found.cancelled) == (answer, stored, False)
    assert await status_of(store, holder) is Status.SCHEDULED


@pytest.mark.parametrize("ask", ["accept_all", "foresee"])
async def test_all_or_none_and_foreseeing_know_dedup_keys(store: Store, ask: str) -> None:
    """Neither takes a key when one of the tasks is held."""
    holder = await hold(store, Status.SCHEDULED)
    fresh = keyed("fresh")
    answers = await getattr(store, ask)([fresh, keyed()])
    assert [(each.answer, each.id) for each in answers] == [(CREATED, fresh.id), (HELD, holder)]
    assert await store.get(fresh.id) is None
    again = keyed("fresh")
    assert await accept(store, again) == (CREATED, again.id)


async def test_keys_that_nobody_holds_are_forgotten(store: Store) -> None:
    """The key of a live task stays, however often the cleaner looks."""
    ended, live = keyed("ended"), keyed("live")
    await store.accept([ended, live])
    await claim(store, [ref(ended.id)])
    await settle(store, settling(ended.id, 1, Status.SUCCEEDED, keep=10 * 86_400.0))
    for turn in range(3):
        await store.prune(now=NOW + turn * DEDUP_AGAIN, limit=100)
        assert await accept(store, keyed("live")) == (HELD, live.id)
    await store.prune(now=NOW + DAY, limit=100)
    assert await store.prune(now=NOW + DAY, limit=100) == 0
    assert (await accept(store, keyed("ended", at=NOW + DAY)))[0] is CREATED
    assert await accept(store, keyed("live", at=NOW + DAY)) == (HELD, live.id)


async def test_the_cleaner_looks_at_no_more_keys_than_it_is_told(store: Store) -> None:
    await store.accept([keyed(f"k{number}") for number in range(5)])
    assert await store.prune(now=NOW + DAY, limit=3) == 3
    assert await store.prune(now=NOW + DAY, limit=3) == 2
    assert await store.prune(now=NOW + DAY, limit=3) == 0


async def test_the_key_of_an_old_task_is_looked_at_seldom(store: Store) -> None:
    """After a minute, then after as long as the task has outlived its ttl, and at least once an hour."""
    await store.accept([keyed(ttl=TTL)])
    begin = NOW + timedelta(seconds=TTL)
    minutes = [n for n in range(200) if await store.prune(now=begin + n * DEDUP_AGAIN, limit=9)]
    assert minutes == [0, 1, 2, 4, 8, 16, 32, 64, 124, 184]
