"""The caretaker ends tasks that have expired, and removes what has outlived its retention.

It needs the store alone: an expired task ends on time while the broker is away, its lane is jammed or no
consumer runs. Any number of caretakers may run.
"""

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events, TasksExpired
from taskrunner.domain.settlement import Retention
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# One call takes this many at most: Redis and SQLite do nothing else meanwhile.
_BATCH = 1000
# The reason of a task that failed by its `expires_at`.
EXPIRED = "expired"


class Caretaker(Service):
    """One turn: a batch of each, and the next one at once while there is more."""

    def __init__(
        self, store: Store, events: Events, clock: Clock, retention: Retention, *, interval: float
    ) -> None:
        super().__init__("caretaker", events)
        self._store = store
        self._clock = clock
        self._retention = retention
        self._interval = interval

    async def turn(self) -> float:
        now = self._clock.now()
        expired = await self._store.expire(
            now=now,
            limit=_BATCH,
            reason=EXPIRED,
            error="no attempt had started by its expires_at",
            keep=self._retention.failed,
        )
        if expired:
            self._events.emit(TasksExpired(count=expired))
        pruned = await self._store.prune(now=now, limit=_BATCH)
        return 0.0 if max(expired, pruned) >= _BATCH else self._interval
