"""Schedules: each change is conditional on the version it knows, and comes with its tasks or not at all."""

import asyncio
from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import NewTask, Store, StoredSchedule
from tests.contract.stores.harness import DAY, NOW, Backend, entry, fetch, make_task, status_of

HOUR = timedelta(hours=1)


def stored(name: str = "report", version: str = "v1", **changes: object) -> StoredSchedule:
    schedule = StoredSchedule(name=name, version=version, encoded=b'{"name":"\xc3\xa4"}', next_at=NOW)
    return replace(schedule, **changes)


async def add(store: Store, *schedules: StoredSchedule) -> None:
    for schedule in schedules:
        assert await store.save_schedule(schedule, expected=None)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Every field, with and without a next slot, to the millisecond."""
    once, paused = stored(next_at=NOW), stored("paused", next_at=None)
    await add(store, once, paused)
    assert await store.schedule("report") == once
    assert await store.schedule("paused") == paused
    assert await store.schedule("another") is None


async def test_a_name_is_given_once(store: Store) -> None:
    """Who expects none finds the first one, and nothing is changed."""
    await add(store, stored())
    assert not await store.save_schedule(stored(version="v2"), expected=None)
    assert await store.schedule("report") == stored()


async def test_a_change_needs_the_version_it_knows(store: Store) -> None:
    """Of two that read the same one, the second is refused; so is a change of what was deleted."""
    await add(store, stored())
    later = stored(version="v2", next_at=NOW + HOUR)
    assert await store.save_schedule(later, expected="v1")
    assert not await store.save_schedule(stored(version="v3"), expected="v1")
    assert await store.schedule("report") == later
    assert not await store.delete_schedule("report", expected="v1")
    assert await store.schedule("report") == later
    assert await store.delete_schedule("report", expected="v2")
    assert not await store.save_schedule(stored(version="v3"), expected="v2")
    assert await store.schedule("report") is None


async def test_a_change_that_is_repeated_is_done(store: Store) -> None:
    """Whoever did not hear the answer asks again, and nothing happens twice."""
    await add(store, stored())
    for _ in range(2):
        assert await store.save_schedule(
            stored(version="v2"), expected="v1", tasks=[entry(make_task(id="slot"))]
        )
    assert (await store.counts())[Status.SCHEDULED] == 1


async def test_tasks_come_with_the_change(store: Store) -> None:
    """They are like accepted ones: due, listed and counted."""
    await add(store, stored())
    tasks = [entry(make_task(id=f"slot-{number}"), due=NOW + number * HOUR) for number in range(3)]
    assert await store.save_schedule(stored(version="v2"), expected="v1", tasks=tasks)
    assert [due.id for due in await store.take_due(now=NOW + HOUR, limit=9, hold=1.0)] == ["slot-0", "slot-1"]
    assert (await fetch(store, "slot-2")).due == NOW + 2 * HOUR
    assert (await store.counts())[Status.SCHEDULED] == 3


async def test_a_refused_change_brings_no_tasks(store: Store) -> None:
    """All or nothing."""
    await add(store, stored())
    assert not await store.save_schedule(stored(version="v3"), expected="v2", tasks=[entry()])
    assert sum((await store.counts()).values()) == 0


async def test_a_task_that_is_there_is_left_as_it_is(store: Store) -> None:
    """A slot's task is the same one, whoever makes it."""
    await add(store, stored())
    known, new = entry(make_task(id="slot-1", url="http://first/")), entry(make_task(id="slot-2"))
    await store.accept([known])
    again: NewTask = entry(make_task(id="slot-1", url="http://second/"))
    assert await store.save_schedule(stored(version="v2"), expected="v1", tasks=[again, new])
    assert (await fetch(store, "slot-1")).task.url == "http://first/"
    assert await status_of(store, "slot-2") is Status.SCHEDULED
    assert (await store.counts())[Status.SCHEDULED] == 2


async def test_of_many_changes_one_wins(backend: Backend) -> None:
    """However many processes run the scheduler, a slot has one run."""
    stores = [await backend.open() for _ in range(3)]
    await add(stores[0], stored())
    saves = [
        store.save_schedule(
            stored(version=f"v2-{number}"), expected="v1", tasks=[entry(make_task(id=f"slot-{number}"))]
        )
        for number, store in enumerate(stores)
    ]
    assert sorted(await asyncio.gather(*saves)) == [False, False, True]
    assert (await stores[0].counts())[Status.SCHEDULED] == 1


async def test_of_many_that_create_one_wins(backend: Backend) -> None:
    """A name is given once, also to those who ask at the same moment."""
    stores = [await backend.open() for _ in range(3)]
    saves = [store.save_schedule(stored(version=f"v{n}"), expected=None) for n, store in enumerate(stores)]
    assert sorted(await asyncio.gather(*saves)) == [False, False, True]


async def test_due_schedules_come_in_order(store: Store) -> None:
    """The longest overdue first, at their very moment; paused ones never."""
    early, late = stored("early", next_at=NOW - HOUR), stored("late", next_at=NOW)
    await add(store, late, early, stored("later", next_at=NOW + HOUR), stored("paused", next_at=None))
    assert list(await store.due_schedules(now=NOW, limit=9)) == [early, late]
    assert list(await store.due_schedules(now=NOW, limit=1)) == [early]
    assert list(await store.due_schedules(now=NOW - timedelta(milliseconds=1), limit=9)) == [early]


async def test_a_paused_schedule_is_no_longer_due(store: Store) -> None:
    """And is so again when it has a next slot."""
    await add(store, stored())
    assert await store.save_schedule(stored(version="v2", next_at=None), expected="v1")
    assert not await store.due_schedules(now=NOW + DAY, limit=9)
    assert await store.save_schedule(stored(version="v3"), expected="v2")
    assert len(await store.due_schedules(now=NOW, limit=9)) == 1


async def test_deleting(store: Store) -> None:
    """It is gone from everywhere, once, and its name is free."""
    await add(store, stored())
    assert await store.delete_schedule("report", expected="v1")
    assert not await store.delete_schedule("report", expected="v1")
    assert not await store.due_schedules(now=NOW, limit=9)
    assert (await store.list_schedules(limit=9, cursor=None)).items == []
    await add(store, stored(version="v9"))


@pytest.mark.parametrize("limit", [1, 2, 5, 9])
async def test_pages_hold_every_schedule_once(store: Store, limit: int) -> None:
    """By name, byte by byte."""
    names = ["B", "a", "a-1", "a.b", "z"]
    await add(store, *(stored(name) for name in reversed(names)))
    found: list[str] = []
    cursor = None
    for _ in range(len(names)):
        page = await store.list_schedules(limit=limit, cursor=cursor)
        found += [schedule.name for schedule in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == names
