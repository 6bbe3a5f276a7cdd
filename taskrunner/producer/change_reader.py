"""The change reader reads the store's log of changes: for all watchers, and for a client that comes back.

It asks for the log only while it reads, and the log outlives it, so that a client that comes back finds what
it has missed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.change import ChangeId, Changes, StatusChange
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.value import Value
from taskrunner.stores.base import Store

# Changes per read.
PART = 200
# Seconds between two checks whether the log has come to a place.
_LOOK = 0.1
_KEEP_LOG = timedelta(minutes=5)
_KEEP_INTERVAL = 20.0
# How many clients that have come back read the log at a time.
_REPLAYS = 4
# Seconds until the log is given up, or that a client comes from a place ahead of it.
READY_PATIENCE = 5.0


class TaskNews(Value):
    """A change, and the record of its task as it is now; None for a task that is gone."""

    change: StatusChange
    record: Record | None


class ChangesLost(Exception):
    """The log does not reach back to where a client wants to go on."""


class ChangeReader:
    """`place` is up to where everybody has been told; there is none before the first `read`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keep_due = 0.0
        self._place: ChangeId | None = None
        self._ready = asyncio.Event()
        self._replaying = asyncio.Semaphore(_REPLAYS)
        # Of the log that `place` is in.
        self.secret = b""

    @property
    def is_reading(self) -> bool:
        return self._place is not None

    @property
    def place(self) -> ChangeId:
        """Only after `wait_ready`."""
        if self._place is None:
            raise RuntimeError("the task feed has not begun")
        return self._place

    async def wait_ready(self) -> None:
        """Until there is a `place`. Raises `StoreUnavailable`."""
        try:
            async with asyncio.timeout(READY_PATIENCE):
                await self._ready.wait()
        except TimeoutError:
            raise StoreUnavailable("the log of changes is in the store, which does not answer") from None

    async def read(self) -> tuple[Changes, ChangeId]:
        """The next part of the log, and the place behind it. Raises `StoreUnavailable`."""
        place = await self._keep_log()
        part = await self._store.changes(place, limit=PART)
        if part.lost:
            return part, await self._begin_log()
        return part, part.changes[-1].id if part.changes else place

    def told(self, place: ChangeId) -> None:
        """Everybody has been told what was read up to there."""
        self._place = place

    def stop(self) -> None:
        """Nobody needs the log any more."""
        self._place = None
        self._ready.clear()

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
                part = await self._store.changes(after, limit=PART)
                if part.lost:
                    raise ChangesLost
                changes = [change for change in part.changes if change.id <= end]
                is_last = len(part.changes) < PART or len(changes) < len(part.changes)
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
            await asyncio.sleep(_LOOK)

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
        self.secret = log.secret
        return log.end
