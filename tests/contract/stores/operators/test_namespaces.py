"""The lists of a namespace: what has an id that begins with it, kept right by every change of a task."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.settlement import Settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef, Store, StoredSchedule
from taskrunner.stores.values import Created
from tests.contract.stores import changes
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    bring,
    claim,
    entry,
    fetch,
    make_task,
    message,
    ref,
    settle,
    settling,
)

MINE, THEIRS = "mine~", "theirs~"
Step = Callable[[Store, str], Awaitable[object]]


async def own(store: Store, namespace: str, status: Status | None = None, *, limit: int = 3) -> list[str]:
    """All ids of a list, page by page; no cursor tells a namespace."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.list_tasks(status, limit=limit, cursor=cursor, namespace=namespace)
        ids += [record.task.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            return ids
        assert "~" not in cursor


async def own_letters(store: Store, namespace: str, *, limit: int = 3) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.list_dead_letters(limit=limit, cursor=cursor, namespace=namespace)
        ids += [letter.id for letter in page.items]
        cursor = page.cursor
        if cursor is None:
            return ids
        assert "~" not in cursor


async def check(store: Store, *ids: str) -> None:
    """The lists of each namespace are those of the records, and nothing contradicts a record."""
    found = {task_id: await store.get(task_id) for task_id in ids}
    known = {task_id: record.status for task_id, record in found.items() if record is not None}
    for namespace in (MINE, THEIRS):
        theirs = {task_id: status for task_id, status in known.items() if task_id.startswith(namespace)}
        assert sorted(await own(store, namespace)) == sorted(theirs)
        for status in Status:
            listed = await own(store, namespace, status)
            assert sorted(listed) == sorted(task_id for task_id in theirs if theirs[task_id] is status)
        failed = sorted(task_id for task_id in theirs if theirs[task_id] is Status.FAILED)
        assert sorted(await own_letters(store, namespace)) == failed
    cursor: str | None = None
    while True:
        inspection = await store.inspect(cursor=cursor, limit=100)
        assert list(inspection.flawed) == []
        cursor = inspection.cursor
        if cursor is None:
            return


async def bring_three(store: Store, status: Status, name: str = "a") -> tuple[str, str, str]:
    """A task of the same name in each namespace and in none."""
    ids = (f"{MINE}{name}", f"{THEIRS}{name}", name)
    for task_id in ids:
        await bring(store, status, task=make_task(id=task_id, expires_at=NOW + DAY))
    return ids


@pytest.mark.parametrize("status", list(Status))
async def test_every_status_is_listed(store: Store, status: Status) -> None:
    await check(store, *await bring_three(store, status))


async def requeue(store: Store, task_id: str) -> None:
    assert (await store.requeue([task_id], now=NOW, due=NOW))[0] is not None


async def delete(store: Store, task_id: str) -> None:
    assert list(await store.delete([task_id], now=NOW, retention=KEEP)) == [True]


async def take_due(store: Store, _: str) -> None:
    await store.take_due(now=NOW + DAY, limit=9, hold=60.0)


async def pass_deadline(store: Store, _: str) -> None:
    await store.past_deadline(now=NOW + 2 * DAY, limit=9)


async def prune(store: Store, _: str) -> None:
    await store.prune(now=NOW + 3 * DAY, limit=99)


async def repair(store: Store, task_id: str) -> None:
    await store.repair([task_id], now=NOW, lease_until=NOW + DAY, retention=KEEP)


def first(change: changes.Change) -> Step:
    return lambda store, task_id: change(store, task_id, 1)


def end(status: Status) -> Step:
    return lambda store, task_id: settle(store, settling(task_id, 1, status))


WAITING = (Status.SCHEDULED, Status.QUEUED)
ANYWAY: dict[str, Step] = {
    "delete": delete,
    "take_due": take_due,
    "past_deadline": pass_deadline,
    "prune": prune,
    "repair": repair,
}
STEPS: list[tuple[Status, str, Step]] = [
    *((status, name, step) for status in Status for name, step in ANYWAY.items()),
    *(
        (status, change.__name__, first(change))
        for status in WAITING
        for change in (
            changes.mark,
            changes.start,
            changes.fail,
            changes.cancel,
            changes.snooze,
            changes.postpone,
        )
    ),
    *(
        (Status.RUNNING, f"to {status}", end(status))
        for status in set(Status) - {Status.QUEUED, Status.RUNNING}
    ),
    (Status.RUNNING, "renew", first(changes.renew)),
    (Status.FAILED, "requeue", requeue),
]


@pytest.mark.parametrize(
    ("status", "step"),
    [pytest.param(status, step, id=f"{status}: {name}") for status, name, step in sorted(STEPS, key=str)],
)
async def test_every_change_keeps_the_lists(store: Store, status: Status, step: Step) -> None:
    """Of the namespace whose task it is, and of the other one."""
    ids = await bring_three(store, status)
    for task_id in ids[1:]:
        await step(store, task_id)
        await check(store, *ids)


async def test_a_task_that_goes_round_is_where_it_was(store: Store) -> None:
    """Every status in turn; it keeps its place, which is that of its creation."""
    old = make_task(id=f"{MINE}z", created_at=NOW - DAY)
    await store.accept([entry(old)])
    ids = [old.id, *await bring_three(store, Status.QUEUED)]
    for number in (1, 2):
        attempt = ref(old.id, number)
        await store.mark_queued([attempt], now=NOW, due=NOW + DAY)
        await claim(store, [attempt])
        await check(store, *ids)
        await settle(store, settling(old.id, number, Status.RETRYING if number == 1 else Status.FAILED))
        await check(store, *ids)
    await requeue(store, old.id)
    await check(store, *ids)
    assert await own(store, MINE) == [f"{MINE}a", old.id]


async def test_a_task_that_follows_another_has_its_namespace(store: Store) -> None:
    """A callback after a settled or a failed attempt, and the run of a schedule."""
    running, waiting = f"{MINE}r", f"{MINE}w"
    await bring(store, Status.RUNNING, task=make_task(id=running))
    await bring(store, Status.QUEUED, task=make_task(id=waiting))
    item: Settlement = settling(
        running, 1, Status.SUCCEEDED, follow_ups=(entry(make_task(id=f"{MINE}after-r")),)
    )
    await settle(store, item)
    gone = AttemptRef(id=waiting, attempt=1, follow_ups=(entry(make_task(id=f"{MINE}after-w")),))
    await store.fail([gone], now=NOW, reason="dropped", error="gone", retention=KEEP)
    schedule = StoredSchedule(name=f"{MINE}s", version="1", encoded=b"{}", next_at=NOW)
    await store.save_schedule(schedule, expected=None, tasks=[entry(make_task(id=f"{MINE}run"))])
    await check(store, running, waiting, f"{MINE}after-r", f"{MINE}after-w", f"{MINE}run")


async def test_what_is_twice_in_a_batch_is_once_in_a_list(store: Store) -> None:
    """Of batches with ids of all kinds, in one call."""
    tasks = [entry(make_task(id=f"{begin}{number}")) for number in range(40) for begin in (MINE, THEIRS, "")]
    await store.accept([*tasks, *tasks])
    ids = [new.id for new in tasks]
    await claim(store, [ref(task_id) for task_id in (*ids, *ids)])
    await store.settle([settling(task_id, 1, Status.FAILED) for task_id in (*ids, *ids)], now=NOW)
    await check(store, *ids)
    assert (await store.counts())[Status.FAILED] == len(ids)
    await store.delete(ids[:60], now=NOW, retention=KEEP)
    await check(store, *ids)


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_of_one_moment(store: Store, limit: int) -> None:
    """The newest first, then by id, whatever others have between."""
    names = ["t:a", "m:b", "a", "A", "a:b", "z"]
    for name in names:
        await bring_three(store, Status.FAILED, name)
    expected = sorted((f"{MINE}{name}" for name in names), reverse=True)
    assert await own(store, MINE, limit=limit) == expected
    assert await own(store, MINE, Status.FAILED, limit=limit) == expected
    assert await own_letters(store, MINE, limit=limit) == expected


async def test_messages_are_in_no_list_of_a_namespace(store: Store) -> None:
    """Nobody knows whose they were, whatever their ids look like."""
    await bring_three(store, Status.FAILED)
    await store.add_dead_messages([message("m"), message(f"{MINE}m")], retention=KEEP)
    assert await own_letters(store, MINE) == [f"{MINE}a"]
    assert len((await store.list_dead_letters(limit=9, cursor=None)).items) == 5


FOREIGN = [f"{THEIRS}a", f"{MINE}a", "a", "zzz", "t:a", f"t:{THEIRS}zz", "m:a", "", "~", "\U0010ffff"]


@pytest.mark.parametrize("place", FOREIGN)
async def test_a_foreign_cursor_leads_into_the_own_list(store: Store, place: str) -> None:
    """Of another namespace, of all tasks, of the dead letters: no task but its own, nor a word of another."""
    for name in ("a", "b"):
        await bring_three(store, Status.FAILED, name)
    for offset in (-1, 0, 1):
        cursor = f"{to_ms(NOW) + offset}:{place}"
        page = await store.list_tasks(None, limit=1, cursor=cursor, namespace=MINE)
        assert {record.task.id for record in page.items} <= {f"{MINE}a", f"{MINE}b"}
        assert THEIRS not in str(page.cursor)
        try:
            letters = await store.list_dead_letters(limit=1, cursor=cursor, namespace=MINE)
        except ValueError:
            assert not place.startswith(("t:", "m:"))
        else:
            assert {letter.id for letter in letters.items} <= {f"{MINE}a", f"{MINE}b"}
            assert THEIRS not in str(letters.cursor)


async def test_a_span_of_creation(store: Store) -> None:
    """Cut out of the list of a namespace as out of that of all."""
    for hours in range(6):
        for begin in (MINE, THEIRS):
            task = make_task(id=f"{begin}{hours}", created_at=NOW - timedelta(hours=hours))
            await store.accept([entry(task)])
    span = Created(after=NOW - timedelta(hours=4), before=NOW - timedelta(minutes=90))
    page = await store.list_tasks(None, limit=9, cursor=None, created=span, namespace=MINE)
    assert [record.task.id for record in page.items] == [f"{MINE}{hours}" for hours in (2, 3, 4)]


async def test_a_namespace_of_nobody(store: Store) -> None:
    """Not even one whose name begins like another."""
    await bring_three(store, Status.FAILED)
    for namespace in ("min~", "mine2~", "nobody~"):
        assert await own(store, namespace) == []
        assert await own_letters(store, namespace) == []
    assert (await fetch(store, f"{MINE}a")).task.id == f"{MINE}a"
