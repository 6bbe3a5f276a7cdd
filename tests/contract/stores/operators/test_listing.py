"""Lists: newest first by id, in pages that neither skip nor repeat."""

import pytest

from taskrunner.domain.status import Status
from taskrunner.stores.base import Store
from tests.contract.stores.harness import DAY, NOW, bring, claim, entries, entry, make_task, ref, settling


async def all_ids(store: Store, status: Status | None, limit: int) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(1000):
        page = await store.list_tasks(status, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        ids += [record.task.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            return ids
    raise AssertionError("the list does not end")


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_hold_every_task_once(store: Store, limit: int) -> None:
    """Over all statuses and over one, the newest first."""
    ids = [await bring(store, status) for status in list(Status) * 2]
    assert await all_ids(store, None, limit) == sorted(ids, reverse=True)
    failed = [ids[position] for position in range(len(ids)) if list(Status)[position % 7] is Status.FAILED]
    assert await all_ids(store, Status.FAILED, limit) == sorted(failed, reverse=True)


async def test_the_last_page_says_so(store: Store) -> None:
    """A page that ends with the last task has no cursor."""
    await store.accept(entries(4))
    first = await store.list_tasks(None, limit=2, cursor=None)
    second = await store.list_tasks(None, limit=2, cursor=first.cursor)
    assert first.cursor is not None
    assert second.cursor is None


@pytest.mark.parametrize("status", [None, Status.QUEUED])
async def test_an_empty_list(store: Store, status: Status | None) -> None:
    """No task, no cursor."""
    page = await store.list_tasks(status, limit=10, cursor=None)
    assert (list(page.items), page.cursor) == ([], None)


async def test_foreign_ids_sort_by_their_bytes(store: Store) -> None:
    """Ids that are no UUIDs come in the order of their ASCII text on every store."""
    ids = ["a", "A", "a-b", "a.b", "a_b", "a:b", "aa", "Z", "0", "z9", "ab", "a-a"]
    await store.accept([entry(make_task(id=task_id)) for task_id in ids])
    assert await all_ids(store, None, 5) == sorted(ids, reverse=True)
    assert await all_ids(store, Status.SCHEDULED, 5) == sorted(ids, reverse=True)


async def test_a_task_that_comes_meanwhile_does_not_shift_the_pages(store: Store) -> None:
    """The cursor is an id, not a count."""
    ids = sorted([(await bring(store, Status.QUEUED)) for _ in range(4)], reverse=True)
    first = await store.list_tasks(Status.QUEUED, limit=2, cursor=None)
    await bring(store, Status.QUEUED)
    second = await store.list_tasks(Status.QUEUED, limit=2, cursor=first.cursor)
    assert [record.task.id for record in (*first.items, *second.items)] == ids


async def test_a_cursor_may_name_a_task_that_is_gone(store: Store) -> None:
    """Any id is a place in the list."""
    ids = sorted(["b", "d"], reverse=True)
    await store.accept([entry(make_task(id=task_id)) for task_id in ids])
    page = await store.list_tasks(None, limit=5, cursor="c")
    assert [record.task.id for record in page.items] == ["b"]


async def test_a_thousand_tasks_of_one_status(store: Store) -> None:
    """Large lists page through completely, with records that are whole."""
    tasks = entries(1000)
    await store.accept(tasks)
    refs = [ref(new.id) for new in tasks]
    await claim(store, refs)
    await store.settle([settling(new.id, 1, Status.SUCCEEDED) for new in tasks], now=NOW)
    page = await store.list_tasks(Status.SUCCEEDED, limit=100, cursor=None)
    assert len(page.items) == 100
    assert await all_ids(store, Status.SUCCEEDED, 250) == sorted((new.id for new in tasks), reverse=True)
    assert (await store.counts())[Status.SUCCEEDED] == 1000


async def test_records_that_were_pruned_are_not_listed(store: Store) -> None:
    """Neither in a list nor in the counts."""
    kept = await bring(store, Status.QUEUED)
    await bring(store, Status.SUCCEEDED)
    await store.prune(now=NOW + DAY, limit=10)
    assert await all_ids(store, None, 10) == [kept]
    assert sum((await store.counts()).values()) == 1
