"""The task feed tells watchers, in a process with an API, which tasks have changed their status.

It reads the store's log of changes a few times a second, once for all watchers together, and asks for the log
only while there are any. See docs/decisions/watching-tasks.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Protocol

from taskrunner.domain.change import ChangeId, Changes, StatusChange
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.domain.record import Record
from taskrunner.domain.value import Value
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# Seconds between two reads of the log, which is how late watchers learn of a change.
INTERVAL = 0.1
_IDLE = 60.0
# The log outlives its last watcher, so that a client that comes back finds what it has missed.
_KEEP_LOG = timedelta(minutes=5)
_KEEP_INTERVAL = 20.0
# Changes per read, and watchers told before other work gets its turn.
_PART = 200
_TOLD_AT_ONCE = 50
# How many clients that have come back read the log at a time.
_REPLAYS = 4
# Seconds until the log is given up, or that a client comes from a place ahead of it.
READY_PATIENCE = 5.0


class TaskNews(Value):
    """A change, and the record of its task as it is now; None for a task that is gone."""

    change: StatusChange
    record: Record | None


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


class ChangesLost(Exception):
    """The log does not reach back to where a client wants to go on."""


class TaskFeed(Service):
    """Its methods other than `replay` and `wait_ready` do not wait."""

    def __init__(self, store: Store, events: Events, clock: Clock) -> None:
        super().__init__("task feed", events)
        self._store = store
        self._clock = clock
        self._watchers: dict[str, dict[TaskWatcher, None]] = {}
        self._fresh: dict[TaskWatcher, None] = {}
        self._listeners: dict[FeedListener, None] = {}
        # Clients that will listen soon.
        self._guests = 0
        self._keep_due = 0.0
        self._place: ChangeId | None = None
        self._secret = b""
        self._ready = asyncio.Event()
        self._replaying = asyncio.Semaphore(_REPLAYS)

    @property
    def place(self) -> ChangeId:
        """Up to where all watchers have been told. Only after `wait_ready`."""
        if self._place is None:
            raise RuntimeError("the task feed has not begun")
        return self._place

    @property
    def secret(self) -> bytes:
        """Of the log that `place` is in."""
        return self._secret

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

    async def wait_ready(self) -> None:
        """Until there is a `place`. Call it while `kept_running`. Raises `StoreUnavailable`."""
        try:
            async with asyncio.timeout(READY_PATIENCE):
                await self._ready.wait()
        except TimeoutError:
            raise StoreUnavailable("the log of changes is in the store, which does not answer") from None

    @contextmanager
    def kept_running(self) -> Iterator[None]:
        """Runs inside, for a client that will watch soon."""
        self._guests += 1
        self._wake_if_idle()
        try:
            yield
        finally:
            self._guests -= 1

    async def replay(
        self, after: ChangeId, wants: Callable[[StatusChange], bool]
    ) -> AsyncIterator[tuple[Sequence[TaskNews], ChangeId]]:
        """What watchers were told after that place, in parts, each with the place behind it.

        When it ends, all up to `place` has been answered, and no other coroutine has run since. Raises
        `ChangesLost`, `StoreUnavailable`.
        """
        await self._wait_for(after)
        while after != self.place:
            async with self._replaying:
                end = self.place
                part = await self._store.changes(after, limit=_PART)
                if part.lost:
                    raise ChangesLost
                changes = [change for change in part.changes if change.id <= end]
                is_last = len(part.changes) < _PART or len(changes) < len(part.changes)
                found = [change for change in changes if wants(change)]
                records = await self._store.get_many(list({change.task_id for change in found}))
            after = end if is_last else changes[-1].id
            yield [TaskNews(change=each, record=records.get(each.task_id)) for each in found], after

    async def _wait_for(self, place: ChangeId) -> None:
        """Until the log was read up to there. Raises `ChangesLost`, `StoreUnavailable`."""
        give_up_at = self._clock.monotonic() + READY_PATIENCE
        while place > self.place:
            # Another process, which told the client, has read on sooner. Or the newest changes were lost in a
            # fail-over of the store, and this place may never come again.
            if self._clock.monotonic() >= give_up_at:
                raise ChangesLost
            await asyncio.sleep(INTERVAL)

    async def turn(self) -> float:
        if not (self._watchers or self._listeners or self._guests):
            self._place = None
            self._ready.clear()
            return _IDLE
        place = await self._keep_log()
        part = await self._store.changes(place, limit=_PART)
        if part.lost:
            place = await self._begin_log()
        elif part.changes:
            place = part.changes[-1].id
        await self._tell(part, place)
        return 0.0 if len(part.changes) == _PART else INTERVAL

    def _wake_if_idle(self) -> None:
        if self._place is None:
            self.wake()

    async def _keep_log(self) -> ChangeId:
        """See to it that there is a log; up to where it was read."""
        if self._place is None:
            self._place = await self._begin_log()
            self._ready.set()
        elif self._clock.monotonic() >= self._keep_due:
            await self._begin_log()
        return self._place

    async def _begin_log(self) -> ChangeId:
        now = self._clock.now()
        log = await self._store.log_changes(now=now, until=now + _KEEP_LOG)
        self._keep_due = self._clock.monotonic() + _KEEP_INTERVAL
        self._secret = log.secret
        return log.end

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
        self._place = place
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
        """The calls that tell the news to whoever watches now."""
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
