"""LeaseKeeper renews the leases of all attempts in flight and notices which of them must stop.

A consumer asks the store instead of being told: asking works alike on every store, nothing can be missed, and
attempts shorter than `LOOK` are never asked about, so a stream of short tasks pays nothing.
"""

import time
from collections.abc import Sequence
from datetime import timedelta

from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, ConsumerStore

# A cancel is noticed after at most this many seconds; the handler's own check adds a quarter of a second.
LOOK = 0.4
# The progress of an attempt is written at most once in this many seconds.
TELL_EVERY = 1.0


class LeaseKeeper(Service):
    """One turn is one call: three times per lease it renews all, else it checks what has run for a while.

    Progress that attempts have told is written with a renewal, once a second; it costs nothing where none is.
    An attempt is cancelled when its lease is lost or its task was cancelled or deleted.
    """

    def __init__(
        self,
        store: ConsumerStore,
        events: Events,
        clock: Clock,
        in_flight: InFlight,
        pool: WorkerPool,
        *,
        lease: float,
    ) -> None:
        super().__init__("lease keeper", events)
        self._store = store
        self._clock = clock
        self._in_flight = in_flight
        self._pool = pool
        self._lease = timedelta(seconds=lease)
        self._interval = lease / 3
        self._renew_from = 0.0

    async def turn(self) -> float:
        now = time.monotonic()
        if now < self._renew_from:
            await self._check(now)
            await self._renew(self._in_flight.with_news(now - TELL_EVERY), now)
        else:
            await self._renew(list(self._in_flight), now)
            self._renew_from = now + self._interval
        return min(LOOK, self._interval)

    async def _renew(self, attempts: Sequence[ClaimedAttempt], now: float) -> None:
        """Renew the leases, and write new progress."""
        if not attempts:
            return
        lease_ends = now + self._lease.total_seconds()
        refs = _refs(attempts)
        answers = await self._store.renew(refs, lease_until=self._clock.now() + self._lease)
        renewed = list(zip(attempts, answers, strict=True))
        for attempt, ref in zip(attempts, refs, strict=True):
            if ref.progress is not None:
                attempt.written, attempt.written_at = ref.progress, now
        self._pool.renew([attempt for attempt, ours in renewed if ours], lease_ends)
        self._pool.cancel([attempt for attempt, ours in renewed if not ours])

    async def _check(self, now: float) -> None:
        """Only attempts that were claimed or renewed more than `LOOK` seconds ago."""
        attempts = self._in_flight.leases_ending_before(now + self._lease.total_seconds() - LOOK)
        if not attempts:
            return
        answers = await self._store.still_running(_refs(attempts))
        self._pool.cancel([each for each, runs in zip(attempts, answers, strict=True) if not runs])


def _refs(attempts: Sequence[ClaimedAttempt]) -> list[AttemptRef]:
    return [
        AttemptRef(
            id=each.task.id,
            attempt=each.number,
            progress=None if each.progress is each.written else each.progress,
        )
        for each in attempts
    ]
