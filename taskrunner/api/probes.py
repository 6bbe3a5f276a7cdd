"""Probes: what health and statistics want to know of the store and the broker, in the form they want it.

The monitor stands beside the adapters and may not know their seams; here, one layer up, the two meet.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

from taskrunner.api.resources import Resource
from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.status import LIVE, Status
from taskrunner.monitor.health import Check, Checker
from taskrunner.stores.base import Store

# Enough to see that something is stuck; half a millisecond of Redis' time.
_STUCK_MOST = 1000


def store_check(store: Store) -> Checker:
    """Ok while the store answers; its warnings are shown but do no harm."""

    def check() -> Check:
        status = store.status()
        details = {**status.details, **({"warnings": list(status.warnings)} if status.warnings else {})}
        return Check(
            ok=status.connected, error=_why(status.connected, status.error, "not connected"), details=details
        )

    return check


def broker_check(broker: Broker, *, consuming: bool) -> Checker:
    """Ok while connected and not blocked and, where it is asked for, every subscription is in force."""

    def check() -> Check:
        status = broker.status()
        if not status.connected:
            return Check(ok=False, error=status.error or "not connected", details=status.details)
        if consuming and not status.consuming:
            why = f": {status.error}" if status.error else ""
            return Check(ok=False, error=f"connected, but not consuming{why}", details=status.details)
        if status.blocked is not None:
            blocked = f"the broker refuses publishes: {status.blocked}"
            # A blocked connection still delivers, so a consumer can do its work.
            return Check(ok=consuming, error=blocked, details=status.details)
        return Check(ok=True, details=status.details)

    return check


def queue_depths(broker: Broker) -> Callable[[], Awaitable[Resource]]:
    """Ready messages per queue and in all."""

    async def provide() -> Resource:
        depths = await broker.depths()
        queues: Resource = {queue: {"ready": ready} for queue, ready in depths.items()}
        return {**queues, "total": sum(depths.values())}

    return provide


def task_counts(store: Store) -> Callable[[], Awaitable[Resource]]:
    """Tasks per status."""

    async def provide() -> Resource:
        return {status.value: count for status, count in (await store.counts()).items()}

    return provide


def stuck_tasks(store: Store, clock: Clock, *, late: float) -> Callable[[], Awaitable[Resource]]:
    """Live tasks that were due `late` seconds ago, per status: a relay that works leaves none.

    One look sees the `_STUCK_MOST` that are overdue the longest.
    """

    async def provide() -> Resource:
        before = clock.now() - timedelta(seconds=late)
        found = Counter(each.status for each in await store.overdue(before=before, limit=_STUCK_MOST))
        return {status.value: found[status] for status in Status if status in LIVE}

    return provide


def reconnects(broker: Broker, store: Store) -> Callable[[], Resource]:
    """Connections made after the first, per service."""

    def provide() -> Resource:
        return {broker.name: broker.status().reconnects, store.name: store.status().reconnects}

    return provide


def _why(ok: bool, error: str | None, otherwise: str) -> str | None:
    return None if ok else error or otherwise
