"""Accepting all or none, and foreseeing what would be accepted."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AcceptAnswer, Store
from taskrunner.stores.intake_store import ATOMIC_BYTES, ATOMIC_TASKS
from tests.contract.stores.harness import KEEP, NOW, bring, entries, entry, fetch, make_task

CREATED, EXISTS, CONFLICT, HELD = AcceptAnswer


async def _known_id(store: Store) -> NewTask:
    return entry(make_task(id=await bring(store, Status.FAILED)))


async def _deleted_id(store: Store) -> NewTask:
    task_id = await bring(store, Status.SUCCEEDED)
    await store.delete([task_id], now=NOW, retention=KEEP)
    return entry(make_task(id=task_id))


async def _known_key(store: Store) -> NewTask:
    await store.accept([entry(idempotency_key="taken", fingerprint="a")])
    return entry(idempotency_key="taken", fingerprint="a")


async def _key_of_another_request(store: Store) -> NewTask:
    await store.accept([entry(idempotency_key="taken", fingerprint="a")])
    return entry(idempotency_key="taken", fingerprint="b")


# What hinders a batch, and the answer to it.
HINDRANCES = [
    (_known_id, EXISTS),
    (_deleted_id, CONFLICT),
    (_known_key, EXISTS),
    (_key_of_another_request, CONFLICT),
]


async def test_all_are_written_where_nothing_hinders(store: Store) -> None:
    """Each with its record and its key."""
    tasks = [entry(idempotency_key=f"k{number}", fingerprint="a") for number in range(3)]
    answers = await store.accept_all(tasks)
    assert [(each.id, each.answer) for each in answers] == [(new.id, CREATED) for new in tasks]
    assert [(await fetch(store, new.id)).task for new in tasks] == [new.task for new in tasks]
    again = await store.accept([entry(idempotency_key="k1", fingerprint="a")])
    assert [(each.id, each.answer) for each in again] == [(tasks[1].id, EXISTS)]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("hinder", "answer"), HINDRANCES)
async def test_one_that_is_not_new_keeps_all_out(
    store: Store, hinder: Callable[[Store], Awaitable[NewTask]], answer: AcceptAnswer, place: int
) -> None:
    """Wherever it stands. The answers are those that each would get alone, and no key is used up."""
    tasks = [entry(idempotency_key=f"k{number}", fingerprint="a") for number in range(2)]
    tasks.insert(place, await hinder(store))
    before = await store.counts()
    expected = [answer if number == place else CREATED for number in range(3)]
    foreseen = await store.foresee(tasks)
    answers = await store.accept_all(tasks)
    assert [each.answer for each in answers] == expected
    assert foreseen == answers
    assert await store.counts() == before
    new = [each for number, each in enumerate(tasks) if number != place]
    assert [await store.get(each.id) for each in new] == [None, None]
    others = [entry(idempotency_key=each.idempotency_key, fingerprint="other") for each in new]
    assert [each.answer for each in await store.accept(others)] == [CREATED, CREATED]
    assert (await store.accept([tasks[place]]))[0] == answers[place]


async def test_foreseeing_writes_nothing(store: Store) -> None:
    """Neither a record nor a key: it can be asked again, and the task is then created."""
    new = entry(idempotency_key="k", fingerprint="a")
    for _ in range(2):
        assert [each.answer for each in await store.foresee([new])] == [CREATED]
    assert await store.get(new.id) is None
    assert sum((await store.counts()).values()) == 0
    assert [each.answer for each in await store.accept([new])] == [CREATED]
    assert [each.answer for each in await store.foresee([new])] == [EXISTS]


async def test_of_two_batches_with_a_common_id_one_is_written(store: Store) -> None:
    """Whole, however they race."""
    for _ in range(5):
        common = entry()
        batches = [[entry(), common, entry()], [entry(), entry(), common]]
        answers = await asyncio.gather(*map(store.accept_all, batches))
        written = [all(each.answer is CREATED for each in found) for found in answers]
        assert sorted(written) == [False, True]
        for batch, is_written in zip(batches, written, strict=True):
            found = [await store.get(new.id) is not None for new in batch if new is not common]
            assert found == [is_written, is_written]


async def test_the_largest_batch_is_one_step(store: Store) -> None:
    """As many tasks, and as many bytes, as a store promises."""
    size = ATOMIC_BYTES // ATOMIC_TASKS
    tasks = [entry(make_task(body="x" * size)) for _ in range(ATOMIC_TASKS)]
    assert {each.answer for each in await store.accept_all(tasks)} == {CREATED}
    assert (await store.counts())[Status.SCHEDULED] == ATOMIC_TASKS
    more = [*entries(ATOMIC_TASKS - 1), tasks[0]]
    assert (await store.accept_all(more))[-1].answer is EXISTS
    assert (await store.counts())[Status.SCHEDULED] == ATOMIC_TASKS
