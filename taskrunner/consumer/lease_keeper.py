"""The lease keeper renews the leases of everything that runs here, and hears of what is no longer to run.

A consumer asks, rather than being told: it works alike on every store, nothing can be missed, and attempts
shorter than `LOOK` are never asked for, so that a stream of short tasks pays nothing.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, ConsumerStore

# A cancel is heard of after at most this many seconds; the handler's own watch adds a quarter of one.
LOOK = 0.4


class LeaseKeeper(Service):
    """One turn is one call: three times per lease it renews all, else it looks at what has run for a while.

    An attempt whose lease is lost, whose task was cancelled or deleted, is stopped.
    """

    def __init__(
        self,
        store: ConsumerStore,
        events: Events,
        clock: Clock,
        held: Mapping[tuple[str, int], ClaimedAttempt],
        pool: WorkerPool,
        *,
        lease: float,
    ) -> None:
        super().__init__("lease keeper", events)
        self._store = store
        self._clock = clock
        self._held = held
        self._pool = pool
        self._lease = timedelta(seconds=lease)
        self._interval = lease / 3
        self._renew_from = 0.0

    async def turn(self) -> float:
        now = time.monotonic()
        if now < self._renew_from:
            await self._look(now)
        else:
            await self._renew(now)
            self._renew_from = now + self._interval
        return min(LOOK, self._interval)

    async def _renew(self, now: float) -> None:
        held = list(self._held.values())
        if not held:
            return
        ends = now + self._lease.total_seconds()
        kept = await self._store.renew(_refs(held), lease_until=self._clock.now() + self._lease)
        answers = list(zip(held, kept, strict=True))
        self._pool.renew([running for running, ours in answers if ours], ends)
        self._pool.cancel([running for running, ours in answers if not ours])

    async def _look(self, now: float) -> None:
        """Those not heard of for a while, by a claim, a renewal or a look."""
        since = now + self._lease.total_seconds() - LOOK
        held = [
            running
            for running in self._held.values()
            if running.lease_ends < since and not running.context.cancelled
        ]
        if not held:
            return
        answers = zip(held, await self._store.still_running(_refs(held)), strict=True)
        self._pool.cancel([running for running, wanted in answers if not wanted])


def _refs(held: Sequence[ClaimedAttempt]) -> list[AttemptRef]:
    return [AttemptRef(id=task_id, attempt=number) for task_id, number in (each.key for each in held)]
