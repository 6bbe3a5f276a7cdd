"""The lease keeper renews the leases of everything that runs here, three times per lease."""

import time
from collections.abc import Mapping
from datetime import timedelta

from taskrunner.consumer.running import Running
from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Store


class LeaseKeeper(Service):
    """One turn renews all leases in one call. A lease that is lost stops its attempt: another one runs."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        held: Mapping[tuple[str, int], Running],
        *,
        lease: float,
    ) -> None:
        super().__init__("lease keeper", events)
        self._store = store
        self._clock = clock
        self._held = held
        self._lease = timedelta(seconds=lease)
        self._interval = lease / 3

    async def turn(self) -> float:
        held = list(self._held.items())
        if held:
            refs = [AttemptRef(id=task_id, attempt=number) for (task_id, number), _ in held]
            ends = time.monotonic() + self._lease.total_seconds()
            kept = await self._store.renew(refs, lease_until=self._clock.now() + self._lease)
            for (_, running), ours in zip(held, kept, strict=True):
                if ours:
                    running.lease_ends = ends
                else:
                    running.attempting.cancelled = True
        return self._interval
