"""Several stores on the same data: they agree, they fence each other, and one that comes later sees all."""

import asyncio

from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AcceptAnswer, ClaimAnswer, Store
from tests.contract.stores.harness import (
    NOW,
    Backend,
    bring,
    claim,
    entries,
    entry,
    fetch,
    message,
    ref,
    settling,
)


async def test_one_of_many_consumers_gets_the_attempt(backend: Backend) -> None:
    """However many claim at the same time."""
    stores = [await backend.open() for _ in range(2)]
    tasks = entries(50)
    await stores[0].accept(tasks)
    refs = [ref(new.id) for new in tasks]
    answers = await asyncio.gather(
        *(claim(stores[number % 2], refs, consumer=f"c{number}") for number in range(8))
    )
    for position in range(len(tasks)):
        won = [answer[position].answer is ClaimAnswer.CLAIMED for answer in answers]
        assert won.count(True) == 1


async def test_one_of_many_settlements_counts(backend: Backend) -> None:
    """However many ends an attempt has at the same time."""
    stores = [await backend.open() for _ in range(2)]
    task_id = await bring(stores[0], Status.RUNNING)
    ends = [Status.SUCCEEDED, Status.FAILED, Status.RETRYING, Status.CANCELLED] * 3
    answers = await asyncio.gather(
        *(
            stores[number % 2].settle([settling(task_id, 1, status)], now=NOW)
            for number, status in enumerate(ends)
        )
    )
    winners = [status for status, (done,) in zip(ends, answers, strict=True) if done]
    assert len(winners) == 1
    assert (await fetch(stores[1], task_id)).status is winners[0]


async def test_one_of_many_submits_under_a_key_counts(backend: Backend) -> None:
    """All get the same id, and one task exists."""
    stores = [await backend.open() for _ in range(2)]
    tasks = [entry(idempotency_key="k", fingerprint="f") for _ in range(20)]
    answers = await asyncio.gather(*(stores[n % 2].accept([new]) for n, new in enumerate(tasks)))
    assert len({answer.id for (answer,) in answers}) == 1
    assert [answer.answer for (answer,) in answers].count(AcceptAnswer.CREATED) == 1
    assert sum((await stores[0].counts()).values()) == 1


async def test_a_store_that_comes_later_sees_everything(backend: Backend) -> None:
    """Nothing that was answered lives in the instance alone."""
    first = await backend.open()
    ids = [await bring(first, status) for status in Status]
    await first.add_dead_messages([message("m1")], retention=60.0)
    before = [await first.get(task_id) for task_id in ids]
    await first.stop()
    second = await backend.open()
    assert [await second.get(task_id) for task_id in ids] == before
    assert await second.counts() == dict.fromkeys(Status, 1)
    assert await second.dead_letter("m1") is not None


async def test_a_store_tells_how_it_stands(store: Store) -> None:
    """Connected, without an error, and it answers."""
    await store.ping()
    status = store.status()
    assert (status.connected, status.error, status.reconnects) == (True, None, 0)


async def test_stopping_twice_is_stopping(store: Store) -> None:
    """A second stop is no error."""
    await store.stop()
    await store.stop()
