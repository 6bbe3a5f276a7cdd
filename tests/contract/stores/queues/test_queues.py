"""Declared queues, and whether tasks of a queue are alive."""

from datetime import timedelta

import pytest

from taskrunner.domain.queues.declared_queues import StoredQueue
from taskrunner.domain.tasks.status import LIVE, TERMINAL, Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW, bring, entries, entry, make_task


def queue(name: str = "reports", weight: int = 3) -> StoredQueue:
    return StoredQueue(name=name, weight=weight, created_at=NOW, updated_at=NOW)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """In the order of the names, which sort by their bytes."""
    for name in ("b", "A", "a-1"):
        assert await store.save_queue(queue(name), expected=None)
    assert list(await store.queues()) == [queue("A"), queue("a-1"), queue("b")]


async def test_a_change_needs_the_queue_it_was_made_from(store: Store) -> None:
    """Of two that read the same one, the second is refused, unless both write the same."""
    assert await store.save_queue(queue(), expected=None)
    later = replace(queue(weight=9), updated_at=NOW + timedelta(seconds=1))
    for _ in range(2):
        assert await store.save_queue(later, expected=queue())
    assert not await store.save_queue(queue(weight=5), expected=queue())
    assert not await store.save_queue(queue(weight=5), expected=None)
    assert list(await store.queues()) == [later]


async def test_a_queue_is_deleted_unless_another_has_its_name(store: Store) -> None:
    await store.save_queue(queue(), expected=None)
    assert not await store.delete_queue(queue(weight=9))
    assert [await store.delete_queue(queue()), await store.delete_queue(queue())] == [True, True]
    assert list(await store.queues()) == []


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_a_live_task_is_found_in_its_queue(store: Store, status: Status) -> None:
    task_id = await bring(store, status, queue="reports")
    assert await store.live_task_in("reports") == task_id
    assert await store.live_task_in("report") is None


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_a_task_that_ended_is_not_alive(store: Store, status: Status) -> None:
    await bring(store, status, queue="reports")
    assert await store.live_task_in("reports") is None


async def test_a_live_task_is_found_behind_many_others(store: Store) -> None:
    """More than one call of the server looks at."""
    others = entries(1100)
    await store.accept(others)
    last = entry(make_task(queue="reports", created_at=NOW + timedelta(days=1)))
    await store.accept([last])
    assert await store.live_task_in("reports") == last.id
