"""The storage quota: how many bytes the tasks of an API key may have in the store, in all processes together.

The store keeps no such number, which every submit and settlement would have to change. Each process that has
a limit to keep walks through the tasks of these keys, a page at a time, and adds what it has accepted itself;
results count from the walk that finds them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TooManyStoredBytes
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.domain.tasks.submitter import namespace_for
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.task_quota import Room
from taskrunner.runtime.service import Service
from taskrunner.stores.base import RateStore, StoredBytes

# Tasks of one page, and the seconds between two rounds of walks.
_PAGE = 500
_INTERVAL = 1.0
# Between two pages pass so many times the seconds that the last one took.
_SHARE = 20
_LONGEST_PAUSE = 10.0


@dataclass
class _Walk:
    """A walk that has not ended."""

    began_at: datetime
    size_bytes: int = 0
    cursor: str | None = None


class StorageQuota(Service):
    """Asks the store only for keys that have a limit."""

    def __init__(self, store: RateStore, keys: KeyWatch, events: Events, clock: Clock) -> None:
        super().__init__("storage quota", events)
        self._store = store
        self._keys = keys
        self._clock = clock
        # All by namespace: the walks of this round that have not ended, the first of which goes on.
        self._walks: dict[str, _Walk] = {}
        self._found: dict[str, StoredBytes] = {}
        # Accepted since the walk under way began, or before that and not known to be in a result; and what
        # requests under way bring.
        self._accepted = Counter[str]()
        self._walking = Counter[str]()
        self._under_way = Counter[str]()

    @contextmanager
    def room_for(self, key: ApiKey, count: int, size_bytes: int, room: Room) -> Iterator[None]:
        """Accept `count` tasks of `size_bytes` inside; `room` then says how many are new.

        Until the first walk has ended, only what it has found so far counts. Raises `TooManyStoredBytes`.
        """
        namespace, limit = namespace_for(key), key.max_stored_bytes
        free = size_bytes if limit is None else max(0, limit - self._used(namespace))
        if limit is not None and (size_bytes > free or free == 0):
            raise TooManyStoredBytes(_refusal(key, limit, free, size_bytes), limit=limit, free=free)
        self._under_way[namespace] += size_bytes
        try:
            yield
        finally:
            self._under_way[namespace] -= size_bytes
            self._accepted[namespace] += size_bytes * room.created // max(1, count)

    async def stored(self, keys: Sequence[ApiKey]) -> Sequence[StoredBytes]:
        """What the last walks have found; where none has ended, this walks."""
        return [
            self._found.get(namespace) or await self._walk(namespace)
            for namespace in map(namespace_for, keys)
        ]

    async def turn(self) -> float:
        """Read one page of one walk, so that those of a large key keep nobody waiting."""
        if not self._walks:
            self._begin_round()
        if not self._walks:
            return _INTERVAL
        began_at = self._clock.monotonic()
        namespace, walk = next(iter(self._walks.items()))
        if await self._read(namespace, walk):
            del self._walks[namespace]
            self._found[namespace] = StoredBytes(size_bytes=walk.size_bytes, at=walk.began_at)
            self._walking[namespace] = 0
        pause = min(_SHARE * (self._clock.monotonic() - began_at), _LONGEST_PAUSE)
        return pause if self._walks else max(pause, _INTERVAL)

    def _begin_round(self) -> None:
        """Begin a walk for each key with a limit, and forget the others."""
        limited = [namespace_for(key) for key in self._keys.all if key.max_stored_bytes is not None]
        for namespace in self._found.keys() - set(limited):
            del self._found[namespace]
        for namespace in limited:
            self._walks[namespace] = _Walk(began_at=self._clock.now())
            self._walking[namespace] += self._accepted.pop(namespace, 0)

    async def _walk(self, namespace: str) -> StoredBytes:
        walk = _Walk(began_at=self._clock.now())
        while not await self._read(namespace, walk):
            pass
        return StoredBytes(size_bytes=walk.size_bytes, at=walk.began_at)

    async def _read(self, namespace: str, walk: _Walk) -> bool:
        """Read the next page; True if it was the last."""
        page = await self._store.measure(namespace, cursor=walk.cursor, limit=_PAGE)
        walk.size_bytes += page.size_bytes
        walk.cursor = page.cursor
        return page.cursor is None

    def _used(self, namespace: str) -> int:
        found, walk = self._found.get(namespace), self._walks.get(namespace)
        known = found.size_bytes if found is not None else 0 if walk is None else walk.size_bytes
        own = self._walking[namespace] + self._accepted[namespace] + self._under_way[namespace]
        return known + own


def _refusal(key: ApiKey, limit: int, free: int, size_bytes: int) -> str:
    return (
        f"key {key.name!r} may have {limit} bytes of tasks and results in the store, and there is room for "
        f"{free}, not for {size_bytes} more; submit again when tasks were deleted or their retention is over"
    )
