"""Lists: the latest created first, in pages that neither skip nor repeat."""

from datetime import timedelta

import pytest

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from taskrunner.stores.values import Created, Place
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
    """The cursor is a place, not a count."""
    ids = sorted([(await bring(store, Status.QUEUED)) for _ in range(4)], reverse=True)
    first = await store.list_tasks(Status.QUEUED, limit=2, cursor=None)
    await bring(store, Status.QUEUED)
    second = await store.list_tasks(Status.QUEUED, limit=2, cursor=first.cursor)
    assert [record.task.id for record in (*first.items, *second.items)] == ids


async def test_a_cursor_may_name_a_task_that_is_gone(store: Store) -> None:
    """Any time and id are a place in the list."""
    ids = sorted(["b", "d"], reverse=True)
    await store.accept([entry(make_task(id=task_id)) for task_id in ids])
    page = await store.list_tasks(None, limit=5, cursor=f"{to_ms(NOW)}:c")
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


def aged(seconds: float) -> NewTask:
    """Created that long before now, with an id that sorts the other way."""
    return entry(make_task(id=f"id-{seconds:015.3f}", created_at=NOW - timedelta(seconds=seconds)))


@pytest.mark.parametrize("status", [None, Status.SCHEDULED])
@pytest.mark.parametrize("limit", [1, 2, 5, 50])
async def test_the_latest_created_come_first_whatever_their_ids(
    store: Store, status: Status | None, limit: int
) -> None:
    """Own ids, and those of schedules, do not hide new tasks behind old ones."""
    ages = [0.0, 0.001, 0.5, 1, 7, 60, 3600, 86400, 1e7, 3e9]
    await store.accept([aged(age) for age in reversed(ages)])
    assert await all_ids(store, status, limit) == [aged(age).id for age in ages]


async def test_a_task_keeps_its_place_in_every_status(store: Store) -> None:
    """A change of status, a retry or a requeue is no creation."""
    old = aged(100)
    await store.accept([old])
    await claim(store, [ref(old.id)])
    for limit in (1, 10):
        assert await all_ids(store, Status.RUNNING, limit) == [old.id]
    newer = [await bring(store, status) for status in Status]
    assert (await all_ids(store, None, 3))[-1] == old.id
    await store.settle([settling(old.id, 1, Status.FAILED)], now=NOW)
    failed = newer[list(Status).index(Status.FAILED)]
    assert await all_ids(store, Status.FAILED, 1) == [failed, old.id]
    await store.requeue([old.id], now=NOW, due=NOW)
    assert (await all_ids(store, Status.SCHEDULED, 1))[-1] == old.id
    assert (await all_ids(store, None, 4))[-1] == old.id


async def test_many_of_one_millisecond_are_listed_once(store: Store) -> None:
    """A batch submit has one time; pages end in the middle of it."""
    tasks = [entry(make_task(id=f"t{number:03}")) for number in range(250)]
    await store.accept(tasks)
    expected = sorted((new.id for new in tasks), reverse=True)
    assert await all_ids(store, None, 7) == expected
    assert await all_ids(store, Status.SCHEDULED, 100) == expected


async def test_a_page_begins_behind_any_place(store: Store) -> None:
    """Also when the task of the cursor is gone."""
    tasks = [entry(make_task(id=task_id)) for task_id in ("B", "a", "a-b", "b", "ba", "z")]
    await store.accept(tasks)
    for member in ("", "A", "B", "Ba", "a", "a-", "aa", "b", "b0", "zz"):
        page = await store.list_tasks(None, limit=9, cursor=Place(ms=to_ms(NOW), id=member).cursor())
        ids = [record.task.id for record in page.items]
        assert ids == sorted((new.id for new in tasks if new.id < member), reverse=True)


@pytest.mark.parametrize("status", [None, Status.SCHEDULED])
@pytest.mark.parametrize(
    ("after", "before"), [(None, 10), (10, None), (100, 10), (3, 3), (1000, None), (None, 1000), (None, 0)]
)
async def test_a_span_of_creation_is_cut_out_of_the_list(
    store: Store, status: Status | None, after: float | None, before: float | None
) -> None:
    """Without a look at what lies outside."""
    ages = [1, 5, 20, 50, 200, 2000]
    await store.accept([aged(age) for age in ages])
    created = Created(
        after=None if after is None else NOW - timedelta(seconds=after),
        before=None if before is None else NOW - timedelta(seconds=before),
    )
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.list_tasks(status, limit=2, cursor=cursor, created=created)
        ids += [record.task.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    inside = [age for age in ages if (after is None or age <= after) and (before is None or age > before)]
    assert ids == [aged(age).id for age in inside]


@pytest.mark.parametrize("cursor", ["what?", "c", "1", "x:y", "", "99999999999999999999:a"])
async def test_a_foreign_cursor_is_refused(store: Store, cursor: str) -> None:
    """It is not silently another page."""
    with pytest.raises(ValueError, match="cursor"):
        await store.list_tasks(None, limit=5, cursor=cursor)
