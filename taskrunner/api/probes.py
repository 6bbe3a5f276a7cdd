"""Probes: health checks and statistics of the store and the broker.

The monitor is in the same layer as the adapters and may not import their seams; this module is one layer up.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from taskrunner.brokers.base import Broker, BrokerStatus
from taskrunner.domain.clock import Clock
from taskrunner.domain.hosts.host_view import HostCondition
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.monitor.health import Check, Checker
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.stores.base import Store
from taskrunner.stores.lifecycle import StoreStatus

# Enough to notice; half a millisecond of Redis' time.
_DUE_MOST = 1000
_OLDEST_MOST = 1000
_HOSTS_MOST = 500


def store_check(store: Store) -> Checker:
    """Ok while the store answers; warnings are shown and change nothing."""

    def check() -> Check:
        status = store.status()
        error = _why(status.connected, status.error, "not connected")
        return Check(ok=status.connected, error=error, details=_details(status))

    return check


def broker_check(broker: Broker, *, consuming: bool) -> Checker:
    """Ok while connected and not blocked and, if `consuming`, while every subscription is in force."""

    def check() -> Check:
        status = broker.status()
        if not status.connected:
            return Check(ok=False, error=status.error or "not connected", details=_details(status))
        if consuming and not status.consuming:
            why = f": {status.error}" if status.error else ""
            return Check(ok=False, error=f"connected, but not consuming{why}", details=_details(status))
        if status.blocked is not None:
            blocked = f"the broker refuses publishes: {status.blocked}"
            # A blocked connection still delivers, so a consumer can do its work.
            return Check(ok=consuming, error=blocked, details=_details(status))
        return Check(ok=True, details=_details(status))

    return check


def _details(status: StoreStatus | BrokerStatus) -> Mapping[str, object]:
    return {**status.details, **({"warnings": list(status.warnings)} if status.warnings else {})}


def queue_depths(broker: Broker) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Ready messages and subscriptions per queue, and the messages of all queues."""

    async def provide() -> dict[str, Any]:
        counts = await broker.queue_counts()
        queues = {name: {"ready": each.ready, "consumers": each.consumers} for name, each in counts.items()}
        return {**queues, "total": sum(each.ready for each in counts.values())}

    return provide


def task_counts(store: Store) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Tasks per status."""

    async def provide() -> dict[str, Any]:
        return {status.value: count for status, count in (await store.counts()).items()}

    return provide


def due_tasks(store: Store, clock: Clock, *, late: float) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Live tasks per status that were due `late` seconds ago. A relay that works leaves none for long.

    Counts no more than the `_DUE_MOST` that are overdue longest.
    """

    async def provide() -> dict[str, Any]:
        before = clock.now() - timedelta(seconds=late)
        found = Counter(each.status for each in await store.overdue(before=before, limit=_DUE_MOST))
        return {status.value: found[status] for status in Status if status in LIVE}

    return provide


def oldest_ages(store: Store, clock: Clock) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Seconds for which the oldest task of each queue is queued, among the `_OLDEST_MOST` created first."""

    async def provide() -> dict[str, Any]:
        since = await store.queued_since(limit=_OLDEST_MOST)
        now = clock.now()
        return {queue: max(0.0, (now - begun).total_seconds()) for queue, begun in since.items()}

    return provide


def host_conditions(hosts: HostAdmin) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Hosts with a limit or in trouble, per condition, among the `_HOSTS_MOST` whose state lasts longest."""

    async def provide() -> dict[str, Any]:
        page = await hosts.list(limit=_HOSTS_MOST)
        found = Counter(each.condition for each in page.items)
        return {condition.value: found[condition] for condition in HostCondition}

    return provide


def reconnects(broker: Broker, store: Store) -> Callable[[], dict[str, Any]]:
    """Connections made after the first, per service."""

    def provide() -> dict[str, Any]:
        return {broker.name: broker.status().reconnects, store.name: store.status().reconnects}

    return provide


def _why(ok: bool, error: str | None, otherwise: str) -> str | None:
    return None if ok else error or otherwise
