"""The task quota: how many tasks that have not ended an API key may have, in all processes together.

The store counts once a second, or less often if that takes long; in between, each process adds what it has
accepted itself. One process never goes beyond a limit; `n` that accept at once may, by `n - 1` times what was
free at the last count.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TooManyLiveTasks
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.domain.tasks.submitter import namespace_for
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import RateStore

# Seconds between two counts: SQL counts the tasks one by one, up to the limit, and has other things to do.
_INTERVAL = 1.0
_LONGEST_INTERVAL = 60.0
# Between two counts pass so many times the seconds that the last one took.
_SHARE = 20


@dataclass
class Room:
    """What a request may submit, and how many of its tasks are new."""

    created: int = 0


class TaskQuota(Service):
    """Asks the store only for keys that have a limit."""

    def __init__(self, store: RateStore, keys: KeyWatch, events: Events, clock: Clock) -> None:
        super().__init__("task quota", events)
        self._store = store
        self._keys = keys
        self._clock = clock
        self._took = 0.0
        self._counts: dict[str, int] = {}
        # By namespace: accepted since the last count began, or before that and not known to be in it; and
        # those of requests under way.
        self._accepted = Counter[str]()
        self._counting = Counter[str]()
        self._under_way = Counter[str]()
        self._reads = SharedRead("the live tasks", self._read, clock)

    @asynccontextmanager
    async def room_for(self, key: ApiKey, count: int) -> AsyncIterator[Room]:
        """Raises `TooManyLiveTasks`, and `StoreUnavailable` until the tasks of the key were counted once."""
        namespace = namespace_for(key)
        if namespace not in self._counts:
            await self._reads.run_again()
        limit = key.max_live_tasks
        free = count if limit is None else limit - self._used(namespace)
        if limit is not None and count > free:
            raise TooManyLiveTasks(_refusal(key, limit, max(0, free), count), limit=limit, free=max(0, free))
        self._under_way[namespace] += count
        room = Room()
        try:
            yield room
        finally:
            self._under_way[namespace] -= count
            self._accepted[namespace] += room.created

    async def turn(self) -> float:
        if any(key.max_live_tasks is not None for key in self._keys.all):
            await self._reads.run()
        return min(max(_INTERVAL, _SHARE * self._took), _LONGEST_INTERVAL)

    def _used(self, namespace: str) -> int:
        return (
            self._counts.get(namespace, 0)
            + self._counting[namespace]
            + self._accepted[namespace]
            + self._under_way[namespace]
        )

    async def _read(self) -> None:
        # Whether there are still more than a key may have makes no difference.
        limits = {
            namespace_for(key): key.max_live_tasks for key in self._keys.all if key.max_live_tasks is not None
        }
        self._counting += self._accepted
        self._accepted = Counter()
        began_at = self._clock.monotonic()
        counts = await self._store.count_live(limits)
        self._took = self._clock.monotonic() - began_at
        # A failure leaves `_counting` as it is: too many is on the safe side, until the next count.
        self._counting = Counter()
        self._counts = dict(counts)


def _refusal(key: ApiKey, limit: int, free: int, count: int) -> str:
    what = "1 more task" if count == 1 else f"{count} more tasks"
    return (
        f"key {key.name!r} may have {limit} tasks that have not ended, and there is room for {free}, not for "
        f"{what}; submit again when others have ended"
    )
