"""What is sound is found sound, and overdue tasks are seen; flaws are made in the adapters' own tests."""

from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.stores.base import Store
from taskrunner.stores.inspection_store import Flawed, Overdue
from tests.contract.stores.harness import DAY, KEEP, NOW, bring, entries, fetch, make_task, message, ref

BRIEF = timedelta(milliseconds=1)


async def walk(store: Store, limit: int = 100) -> tuple[int, list[Flawed]]:
    """How many entries a whole inspection looks at, and what it finds."""
    looked, flawed = 0, list[Flawed]()
    cursor: str | None = None
    while True:
        page = await store.inspect(cursor=cursor, limit=limit)
        looked += page.looked
        flawed += page.flawed
        cursor = page.cursor
        if cursor is None:
            return looked, flawed


async def test_what_only_the_store_has_written_is_sound(store: Store) -> None:
    """In every status, with every trimming, deleted and pruned tasks included."""
    for status in Status:
        await bring(store, status, idempotency_key=f"k {status}", fingerprint="f", deadline=NOW + DAY)
        await bring(store, status)
    cancelled = await bring(store, Status.QUEUED)
    await store.cancel([ref(cancelled)], now=NOW, error="no", retention=KEEP)
    await store.delete([await bring(store, Status.FAILED)], now=NOW, retention=KEEP)
    await store.requeue([await bring(store, Status.FAILED)], now=NOW, due=NOW)
    await store.add_dead_messages([message("m")], retention=KEEP)
    looked, flawed = await walk(store)
    assert flawed == []
    assert looked >= 2 * len(Status)
    await store.prune(now=NOW + DAY, limit=100)
    assert (await walk(store))[1] == []


async def test_a_walk_in_small_steps_sees_everything(store: Store) -> None:
    await store.accept(entries(45))
    looked, flawed = await walk(store, limit=10)
    assert looked >= 45
    assert flawed == []


async def test_a_foreign_cursor_is_refused(store: Store) -> None:
    for cursor in ("", "99:0", "nonsense"):
        with pytest.raises(ValueError, match="cursor"):
            await store.inspect(cursor=cursor, limit=10)


@pytest.mark.parametrize("status", list(Status))
async def test_what_is_sound_is_left_as_it_is(store: Store, status: Status) -> None:
    """A repair beside a running system, of what has been put right meanwhile, changes nothing."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    moments = {"now": NOW + DAY, "lease_until": NOW + DAY}
    assert list(await store.repair([task_id, "unknown"], **moments, retention=1.0)) == [False, False]
    assert await fetch(store, task_id) == before
    assert await store.get("unknown") is None
    assert list(await store.repair([], **moments, retention=1.0)) == []


async def test_the_longest_overdue_are_seen_first_and_left_alone(store: Store) -> None:
    """As many as asked for, live ones only, by the moment and not before."""
    running = await bring(store, Status.RUNNING)
    queued = await bring(store, Status.QUEUED, encoded=b"{}", queue="high")
    await bring(store, Status.SUCCEEDED)
    lease = NOW + timedelta(seconds=30)
    assert await store.overdue(before=lease - BRIEF, limit=9) == []
    seen = [Overdue(id=running, status=Status.RUNNING, queue="medium")]
    assert await store.overdue(before=lease, limit=9) == seen
    seen.append(Overdue(id=queued, status=Status.QUEUED, queue="high"))
    for _ in range(2):
        assert await store.overdue(before=NOW + DAY, limit=9) == seen
    assert await store.overdue(before=NOW + DAY, limit=1) == seen[:1]


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_every_live_status_can_be_overdue(store: Store, status: Status) -> None:
    task = make_task(queue="low")
    task_id = await bring(store, status, id=task.id, queue=task.queue)
    assert await store.overdue(before=NOW + 2 * DAY, limit=9) == [
        Overdue(id=task_id, status=status, queue="low")
    ]


async def test_a_store_tells_its_time(store: Store) -> None:
    """By the same clock as ours here, since it runs on this machine."""
    before = datetime.now(UTC)
    theirs = await store.time()
    assert theirs is not None
    assert before - 2 * BRIEF <= theirs <= datetime.now(UTC) + 2 * BRIEF
