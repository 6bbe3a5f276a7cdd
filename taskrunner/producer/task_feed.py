"""The task feed tells watchers, in a process with an API, which tasks have changed their status.

It reads the store's log of changes a few times a second, once for all watchers together, and asks for the log
only while there are any. See docs/decisions/watching-tasks.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.domain.tasks.change import ChangeId, Changes, StatusChange
from taskrunner.domain.tasks.record import Record
from taskrunner.producer.change_reader import PART, ChangeReader, TaskNews
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# Seconds between two reads of the log, which is how late watchers learn of a change.
INTERVAL = 0.1
_IDLE = 60.0
# Watchers told before other work gets its turn.
_TOLD_AT_ONCE = 50


class TaskWatcher(Protocol):
    """Watches one task."""

    task_id: str

    def begin(self, record: Record | None, place: ChangeId) -> None:
        """What the task was when the log had come to `place`: at first, and after changes were lost."""

    def tell(self, news: Sequence[TaskNews]) -> None:
        """All that has happened to the task since the last call; never before `begin`, if that is wanted."""


class FeedListener(Protocol):
    """Watches all tasks."""

    def wants(self, change: StatusChange) -> bool:
        """Whether the record is worth a look."""

    def tell(self, news: Sequence[TaskNews]) -> Iterable[Callable[[], None]]:
        """All that it wants of what has happened since the last call; answers the calls that pass it on."""

    def lose(self, place: ChangeId) -> Iterable[Callable[[], None]]:
        """Changes were lost; those after `place` will be told."""


class TaskFeed(Service):
    """Its methods other than `replay` and `wait_ready` do not wait."""

    def __init__(self, store: Store, events: Events, clock: Clock) -> None:
        super().__init__("task feed", events)
        self._store = store
        self._watchers: dict[str, dict[TaskWatcher, None]] = {}
        self._fresh: dict[TaskWatcher, None] = {}
        self._listeners: dict[FeedListener, None] = {}
        # Clients that will listen soon.
        self._guests = 0
        self._reader = ChangeReader(store, clock)

    @property
    def place(self) -> ChangeId:
        """Up to where all watchers have been told. Only after `wait_ready`."""
        return self._reader.place

    @property
    def secret(self) -> bytes:
        """Of the log that `place` is in."""
        return self._reader.secret

    async def wait_ready(self) -> None:
        """Until there is a `place`. Call it while `kept_running`. Raises `StoreUnavailable`."""
        await self._reader.wait_ready()

    def replay(
        self, after: ChangeId, wants: Callable[[StatusChange], bool]
    ) -> AsyncIterator[tuple[Sequence[TaskNews], ChangeId]]:
        """See `ChangeReader`."""
        return self._reader.replay(after, wants)

    def watch(self, watcher: TaskWatcher, *, begin: bool = True) -> None:
        """Tell `watcher` from now on; `begin`: also what its task is now, in the next turn."""
        self._watchers.setdefault(watcher.task_id, {})[watcher] = None
        if begin:
            self._fresh[watcher] = None
        self._wake_if_idle()

    def unwatch(self, watcher: TaskWatcher) -> None:
        self._fresh.pop(watcher, None)
        others = self._watchers.get(watcher.task_id)
        if others is not None:
            others.pop(watcher, None)
            if not others:
                del self._watchers[watcher.task_id]

    def listen(self, listener: FeedListener) -> None:
        self._listeners[listener] = None

    def unlisten(self, listener: FeedListener) -> None:
        self._listeners.pop(listener, None)

    @contextmanager
    def kept_running(self) -> Iterator[None]:
        """Runs inside, for a client that will watch soon."""
        self._guests += 1
        self._wake_if_idle()
        try:
            yield
        finally:
            self._guests -= 1

    async def turn(self) -> float:
        if not (self._watchers or self._listeners or self._guests):
            self._reader.stop()
            return _IDLE
        part, place = await self._reader.read()
        await self._tell(part, place)
        return 0.0 if len(part.changes) == PART else INTERVAL

    def _wake_if_idle(self) -> None:
        if not self._reader.is_reading:
            self.wake()

    async def _tell(self, part: Changes, place: ChangeId) -> None:
        fresh = list(self._fresh)
        if part.lost:
            fresh = [watcher for each in self._watchers.values() for watcher in each]
        records: dict[str, Record] = {}
        asked: set[str] = set()
        # Again for whoever has joined during the read.
        while ids := self._ids(part, fresh) - asked:
            asked |= ids
            records |= await self._store.get_many(list(ids))
        # From here to the first call nothing else runs: whoever joins later goes on from `place`.
        news = [
            TaskNews(change=each, record=records.get(each.task_id))
            for each in part.changes
            if each.task_id in asked
        ]
        calls = self._calls(news, place, fresh, records, lost=part.lost)
        self._reader.told(place)
        for number, call in enumerate(calls, start=1):
            try:
                call()
            except Exception as exc:  # noqa: BLE001 - the boundary of a watcher: the others are told all the same
                self._events.emit(LoopFailed(service=self.name, error=exc))
            if number % _TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _ids(self, part: Changes, fresh: Iterable[TaskWatcher]) -> set[str]:
        """The tasks whose records somebody wants to see."""
        ids = {watcher.task_id for watcher in fresh}
        for change in part.changes:
            if change.task_id in self._watchers or any(each.wants(change) for each in self._listeners):
                ids.add(change.task_id)
        return ids

    def _calls(
        self,
        news: Sequence[TaskNews],
        place: ChangeId,
        fresh: Iterable[TaskWatcher],
        records: Mapping[str, Record],
        *,
        lost: bool,
    ) -> list[Callable[[], None]]:
        """The calls that tell the news to the present watchers."""
        of_task: dict[str, list[TaskNews]] = {}
        for each in news:
            if each.change.task_id in self._watchers:
                of_task.setdefault(each.change.task_id, []).append(each)
        calls: list[Callable[[], None]] = []
        for task_id, told in of_task.items():
            known = [watcher for watcher in self._watchers[task_id] if watcher not in self._fresh]
            calls += [partial(self._tell_or_begin, watcher, told) for watcher in known]
        for watcher in fresh:
            if watcher in self._watchers.get(watcher.task_id, ()):
                calls.append(partial(watcher.begin, records.get(watcher.task_id), place))
                self._fresh.pop(watcher, None)
        for listener in self._listeners:
            if lost:
                calls += listener.lose(place)
            elif news:
                calls += self._tell_or_lose(listener, news, place)
        return calls

    def _tell_or_begin(self, watcher: TaskWatcher, news: Sequence[TaskNews]) -> None:
        try:
            watcher.tell(news)
        except Exception:
            # It has missed a status, maybe the last one.
            if watcher in self._watchers.get(watcher.task_id, ()):
                self._fresh[watcher] = None
            raise

    def _tell_or_lose(
        self, listener: FeedListener, news: Sequence[TaskNews], place: ChangeId
    ) -> list[Callable[[], None]]:
        try:
            return list(listener.tell(news))
        except Exception as exc:  # noqa: BLE001 - the boundary of a listener: news that it cannot show come once
            self._events.emit(LoopFailed(service=self.name, error=exc))
            return list(listener.lose(place))
