"""The task feeds of several processes on one store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial

import pytest

from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Event, Events, LoopFailed
from taskrunner.domain.tasks.change import ChangeId, StatusChange
from taskrunner.domain.tasks.record import Record
from taskrunner.producer import change_reader
from taskrunner.producer.change_reader import ChangesLost, TaskNews
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.stores.base import Store
from tests.contract.stores.harness import FakeRedisBackend, entries
from tests.tools.waiting import in_time


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    backend = FakeRedisBackend()
    yield await backend.open()
    await backend.close()


def feed_of(store: Store) -> TaskFeed:
    return TaskFeed(store, Events(), SystemClock())


async def replayed(feed: TaskFeed, after: ChangeId) -> list[str]:
    """The tasks whose changes a client missed that comes back to this process."""
    found = []
    async for news, _ in feed.replay(after, lambda _: True):
        found += [each.change.task_id for each in news]
    return found


async def test_a_client_may_come_back_to_a_process_that_is_behind(store: Store) -> None:
    """It is told nothing twice: it waits until that process knows as much as the one before."""
    behind, ahead = feed_of(store), feed_of(store)
    with behind.kept_running(), ahead.kept_running():
        await behind.turn()
        await ahead.turn()
        made = entries(3)
        await store.accept(made)
        await ahead.turn()
        assert ahead.place > behind.place
        coming_back = asyncio.create_task(replayed(behind, ahead.place))
        await asyncio.sleep(0)
        assert not coming_back.done()
        await behind.turn()
        assert await coming_back == []


async def test_who_is_ahead_keeps_nobody_waiting(store: Store) -> None:
    """Only those that read the log take one of the few places for it."""
    behind, ahead = feed_of(store), feed_of(store)
    with behind.kept_running(), ahead.kept_running():
        await behind.turn()
        await ahead.turn()
        begun = behind.place
        await store.accept(entries(1))
        await behind.turn()
        await store.accept(entries(1))
        while ahead.place == begun or ahead.place <= behind.place:
            await ahead.turn()
        coming_back = [asyncio.create_task(replayed(behind, ahead.place)) for _ in range(20)]
        await asyncio.sleep(0)
        async with in_time("another client is told what it missed"):
            assert len(await replayed(behind, begun)) == 1
        assert not any(each.done() for each in coming_back)
        await behind.turn()
        assert await asyncio.gather(*coming_back) == [[]] * 20


async def test_a_place_that_never_comes_is_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client does not wait for ever for a feed that stays behind."""
    monkeypatch.setattr(change_reader, "READY_PATIENCE", 0.1)
    behind, ahead = feed_of(store), feed_of(store)
    with behind.kept_running(), ahead.kept_running():
        await behind.turn()
        await ahead.turn()
        await store.accept(entries(1))
        await ahead.turn()
        async with in_time("the feed gives up"):
            with pytest.raises(ChangesLost):
                await replayed(behind, ahead.place)


async def test_a_client_is_told_what_it_missed(store: Store) -> None:
    """Up to where the process is, and no further: the rest comes by the feed."""
    feed = feed_of(store)
    with feed.kept_running():
        await feed.turn()
        begun = feed.place
        told = entries(450)
        await store.accept(told)
        while len(await replayed(feed, begun)) < len(told):
            await feed.turn()
        later = entries(3)
        await store.accept(later)
        assert await replayed(feed, begun) == [new.id for new in told]
        await feed.turn()
        assert await replayed(feed, begun) == [new.id for new in (*told, *later)]


async def test_a_log_that_nobody_watches_is_not_read(store: Store) -> None:
    """Without watchers a turn asks for nothing."""
    feed = feed_of(store)
    await feed.turn()
    with pytest.raises(RuntimeError):
        _ = feed.place
    await store.accept(entries(1))
    assert (await store.changes(ChangeId(1, 0), limit=1)).lost


async def test_what_is_lost_is_told(store: Store) -> None:
    feed = feed_of(store)
    with feed.kept_running():
        await feed.turn()
        with pytest.raises(ChangesLost):
            await replayed(feed, ChangeId(1, 0))


class _Listener:
    """Is told of all tasks; cannot show those of `unshown`."""

    def __init__(self, unshown: str | None = None) -> None:
        self.unshown = unshown
        self.heard: list[str | ChangeId] = []

    def wants(self, change: StatusChange) -> bool:
        return True

    def tell(self, news: Sequence[TaskNews]) -> Iterable[Callable[[], None]]:
        for each in news:
            if each.change.task_id == self.unshown:
                raise ValueError("cannot be shown")
            yield partial(self.heard.append, each.change.task_id)

    def lose(self, place: ChangeId) -> Iterable[Callable[[], None]]:
        yield partial(self.heard.append, place)


class _Watcher:
    """Is told of one task, unless it `fails`."""

    def __init__(self, task_id: str, *, fails: bool = False) -> None:
        self.task_id = task_id
        self.fails = fails
        self.heard: list[str] = []

    def begin(self, record: Record | None, place: ChangeId) -> None:
        self.heard.append("begin")

    def tell(self, news: Sequence[TaskNews]) -> None:
        if self.fails:
            raise ValueError("cannot be shown")
        self.heard.append("news")


async def test_a_listener_that_fails_has_a_gap(store: Store) -> None:
    """And only that one: the others hear all, and the feed goes on behind what cannot be shown."""
    events, made = Events(), entries(4)
    faults: list[Event] = []
    events.subscribe(faults.append)
    feed = TaskFeed(store, events, SystemClock())
    failing, other = _Listener(unshown=made[1].id), _Listener()
    feed.listen(failing)
    feed.listen(other)
    await feed.turn()
    await store.accept(made[:3])
    await feed.turn()
    gap = feed.place
    await store.accept(made[3:])
    await feed.turn()
    assert failing.heard == [gap, made[3].id]
    assert other.heard == [new.id for new in made]
    assert [type(each) for each in faults] == [LoopFailed]


async def test_a_watcher_that_fails_begins_anew(store: Store) -> None:
    """It has missed a status. The others are told."""
    feed, (new,) = feed_of(store), entries(1)
    failing, other = _Watcher(new.id, fails=True), _Watcher(new.id)
    feed.watch(failing, begin=False)
    feed.watch(other, begin=False)
    await feed.turn()
    await store.accept([new])
    await feed.turn()
    await feed.turn()
    assert (failing.heard, other.heard) == (["begin"], ["news"])
