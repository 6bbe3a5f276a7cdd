"""The log of changes: each change of status once and in order, from when somebody asks for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.change import ChangeId, StatusChange
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores import change_store
from taskrunner.stores.base import NewTask, Store
from taskrunner.stores.redis import scripts as redis_scripts
from taskrunner.stores.redis.store import RedisStore
from taskrunner.stores.sql import change_store as sql_change_store
from taskrunner.stores.values import AttemptRef
from tests.contract.stores.changes import cancel, fail, finish, mark, snooze, start
from tests.contract.stores.harness import KEEP, NOW, Backend, bring, entries, entry, settle, settling
from tests.tools.waiting import eventually

KEPT = timedelta(minutes=5)
# As `StatusChange` has it.
Shown = list[tuple[str, Status | None]]


async def begin(store: Store, now: datetime = NOW) -> ChangeId:
    return (await store.log_changes(now=now, until=now + KEPT)).end


async def read(store: Store, after: ChangeId, *, least: int, limit: int = 1000) -> Sequence[StatusChange]:
    """The changes after that place, once there are `least`; a foreign open transaction delays them."""
    found: list[StatusChange] = []

    async def are_there() -> bool:
        answer = await store.changes(after, limit=limit)
        assert not answer.lost
        found[:] = answer.changes
        return len(found) >= least

    await eventually(are_there)
    return found


def shown(found: Sequence[StatusChange]) -> Shown:
    return [(change.task_id, change.status) for change in found]


async def test_there_is_no_log_until_it_is_asked_for(store: Store) -> None:
    """Whoever asks for its changes learns that it lost some."""
    await store.accept(entries(2))
    answer = await store.changes(ChangeId(1, 0), limit=10)
    assert (list(answer.changes), answer.lost) == ([], True)


async def test_a_log_begins_with_what_follows(store: Store) -> None:
    await store.accept(entries(2))
    place = await begin(store)
    answer = await store.changes(place, limit=10)
    assert (list(answer.changes), answer.lost) == ([], False)
    new = entry()
    await store.accept([new])
    assert shown(await read(store, place, least=1)) == [(new.id, Status.SCHEDULED)]


async def test_a_change_has_its_time(store: Store) -> None:
    """By the clock of the store, which here is that of this machine."""
    place = await begin(store)
    before = from_ms(to_ms(datetime.now(UTC)) - 1)
    await store.accept([entry()])
    [change] = await read(store, place, least=1)
    assert change.at is not None
    assert before <= change.at <= datetime.now(UTC)


async def test_the_life_of_a_task_is_in_the_log(store: Store) -> None:
    """Its creation, every status in order, and its deletion."""
    place = await begin(store)
    new = entry()
    await store.accept([new])
    await mark(store, new.id, 1)
    await start(store, new.id, 1)
    await settle(store, settling(new.id, 1, Status.RETRYING))
    await start(store, new.id, 2)
    await settle(store, settling(new.id, 2, Status.FAILED))
    await store.requeue([new.id], now=NOW, due=NOW)
    await cancel(store, new.id, 3)
    await store.delete([new.id], now=NOW, retention=KEEP)
    lived: list[Status | None] = [
        Status.SCHEDULED,
        Status.QUEUED,
        Status.RUNNING,
        Status.RETRYING,
        Status.RUNNING,
        Status.FAILED,
        Status.SCHEDULED,
        Status.CANCELLED,
        None,
    ]
    found = await read(store, place, least=len(lived))
    assert shown(found) == [(new.id, status) for status in lived]
    ids = [change.id for change in found]
    assert ids == sorted(set(ids))
    assert ids[0] > place


@pytest.mark.parametrize(
    ("status", "change", "after"),
    [
        (Status.SCHEDULED, mark, Status.QUEUED),
        (Status.SCHEDULED, start, Status.RUNNING),
        (Status.QUEUED, fail, Status.FAILED),
        (Status.QUEUED, cancel, Status.CANCELLED),
        (Status.QUEUED, snooze, Status.SCHEDULED),
        (Status.RUNNING, finish, Status.SUCCEEDED),
        # None of these changes the status.
        (Status.SCHEDULED, snooze, None),
        (Status.QUEUED, mark, None),
        (Status.SUCCEEDED, cancel, None),
        (Status.FAILED, start, None),
    ],
)
async def test_each_operation_is_logged_once(
    store: Store,
    status: Status,
    change: Callable[[Store, str, int], Awaitable[object]],
    after: Status | None,
) -> None:
    """As often as it changes the status, and not when it is repeated."""
    task_id = await bring(store, status)
    place = await begin(store)
    number = 1 if status in {Status.SCHEDULED, Status.QUEUED, Status.RUNNING} else 2
    await change(store, task_id, number)
    await change(store, task_id, number)
    await bring(store, Status.SCHEDULED)
    found = shown(await read(store, place, least=1 if after is None else 2))
    assert [each for each in found if each[0] == task_id] == ([] if after is None else [(task_id, after)])


async def test_a_batch_is_in_its_order(store: Store) -> None:
    place = await begin(store)
    made = entries(30)
    await store.accept(made)
    found = await read(store, place, least=30)
    assert shown(found) == [(new.id, Status.SCHEDULED) for new in made]


@pytest.mark.parametrize("limit", [1, 7, 30, 31])
async def test_parts_have_each_change_once(store: Store, limit: int) -> None:
    """A part goes on where the one before ended."""
    place = await begin(store)
    made = entries(30)
    await store.accept(made)
    await read(store, place, least=30)
    found: list[StatusChange] = []
    while part := (await store.changes(found[-1].id if found else place, limit=limit)).changes:
        assert len(part) <= limit
        found += part
    assert shown(found) == [(new.id, Status.SCHEDULED) for new in made]


async def test_readers_share_a_log(backend: Backend, store: Store) -> None:
    """The second one begins where the log ends, and the first one goes on."""
    first = await begin(store)
    one, two = entry(), entry()
    await store.accept([one])
    await read(store, first, least=1)
    other = await backend.open()
    second = await begin(other)
    await store.accept([two])
    assert shown(await read(other, second, least=1)) == [(two.id, Status.SCHEDULED)]
    assert [change.task_id for change in await read(store, first, least=2)] == [one.id, two.id]


async def test_the_secret_is_as_old_as_the_log(backend: Backend, store: Store) -> None:
    """All processes have the same."""
    first = await store.log_changes(now=NOW, until=NOW + KEPT)
    again = await (await backend.open()).log_changes(now=NOW, until=NOW + KEPT + KEPT)
    assert first.secret == again.secret
    assert len(first.secret) == change_store.SECRET_BYTES


async def test_writers_at_once_lose_nothing(backend: Backend, store: Store) -> None:
    """A reader that goes on from what it has read meets each change of every process once."""
    place = await begin(store)
    writers = [await backend.open() for _ in range(3)]
    made = [[entries(5) for _ in range(10)] for _ in writers]

    async def write(writer: Store, batches: list[list[NewTask]]) -> None:
        for batch in batches:
            await writer.accept(batch)

    writing = asyncio.gather(*(write(*each) for each in zip(writers, made, strict=True)))
    found: list[str] = []

    async def all_are_found() -> bool:
        nonlocal place
        answer = await store.changes(place, limit=7)
        assert not answer.lost
        found.extend(change.task_id for change in answer.changes)
        place = answer.changes[-1].id if answer.changes else place
        return len(found) >= 150

    await eventually(all_are_found)
    await writing
    assert sorted(found) == sorted(new.id for batches in made for batch in batches for new in batch)


@pytest.mark.parametrize("place", [ChangeId(1, 0), ChangeId(2**62, 0)])
async def test_a_place_that_is_not_in_the_log_is_told(store: Store, place: ChangeId) -> None:
    """One from before the log, of a log that is gone, or of another store."""
    await begin(store)
    await store.accept(entries(1))
    answer = await store.changes(place, limit=10)
    assert (list(answer.changes), answer.lost) == ([], True)


async def test_a_log_that_nobody_wants_ends(store: Store) -> None:
    """Nothing is written any more; a later log does not pretend to be the same."""
    if isinstance(store, RedisStore):
        # Redis counts the time itself.
        place = (await store.log_changes(now=NOW, until=NOW + timedelta(milliseconds=1))).end

        async def is_gone() -> bool:
            return (await store.changes(place, limit=1)).lost

        await eventually(is_gone)
    else:
        place = await begin(store)
        await store.accept(entries(3))
        await store.prune_changes(now=NOW + KEPT)
        assert not (await store.changes(place, limit=1)).lost
        await store.prune_changes(now=NOW + KEPT + timedelta(seconds=1))
    assert (await store.changes(place, limit=1)).lost
    await store.accept(entries(1))
    again = await begin(store, NOW + KEPT + KEPT)
    assert again > place
    assert (await store.changes(place, limit=1)).lost
    assert list((await store.changes(again, limit=1)).changes) == []


async def test_a_log_is_kept_for_the_longest(store: Store) -> None:
    """A reader that wants it for a shorter time takes it from nobody."""
    place = await begin(store)
    await store.log_changes(now=NOW, until=NOW + timedelta(seconds=1))
    await store.prune_changes(now=NOW + timedelta(seconds=2))
    assert not (await store.changes(place, limit=1)).lost


@pytest.fixture
def short_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A log of four changes; scripts have the number in their text, which is read once per process."""
    for module in (sql_change_store, redis_scripts):
        monkeypatch.setattr(module, "MOST_CHANGES", 4)
    redis_scripts.read_scripts.cache_clear()
    yield
    redis_scripts.read_scripts.cache_clear()


@pytest.mark.usefixtures("short_log")
async def test_an_old_part_of_a_long_log_is_dropped(backend: Backend) -> None:
    """A reader that was that far behind is told; one that was not goes on."""
    store = await backend.open()
    place = await begin(store)
    # Redis drops a hundred at a time.
    made = entries(500)
    await store.accept(made)
    await store.prune_changes(now=NOW)
    assert (await store.changes(place, limit=10)).lost
    after = entry()
    end = await begin(store)
    await store.accept([after])
    assert shown(await read(store, end, least=1)) == [(after.id, Status.SCHEDULED)]


async def test_progress_is_a_change(store: Store) -> None:
    """So those who watch the task hear of it; a renewal without news is none."""
    task_id = await bring(store, Status.RUNNING)
    place = await begin(store)
    told = Progress(fraction=0.5, attempt=1)
    quiet = AttemptRef(id=task_id, attempt=1)
    await store.renew([quiet, replace(quiet, progress=told)], lease_until=NOW)
    assert shown(await read(store, place, least=1)) == [(task_id, Status.RUNNING)]
