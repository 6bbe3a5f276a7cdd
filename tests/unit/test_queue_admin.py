"""Queue administration while the store goes away: what was changed is answered as changed."""

from collections.abc import Sequence
from typing import cast

from taskrunner.domain.declared_queues import DeclaredQueues, StoredQueue
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.domain.executor_source import ExecutorSource
from taskrunner.domain.queue_draft import QueueDraft
from taskrunner.domain.task_settings import TaskSettingsSource
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.stores.base import QueueStore, Store
from tests.tools.clock import ManualClock


class FleetingQueues(QueueStore):
    """Queues in memory; the store goes away after each write."""

    def __init__(self) -> None:
        self.known: dict[str, StoredQueue] = {}
        self.is_away = False

    async def save_queue(self, queue: StoredQueue) -> None:
        self.known[queue.name] = queue
        self.is_away = True

    async def queues(self) -> Sequence[StoredQueue]:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        return list(self.known.values())

    async def delete_queue(self, name: str) -> bool:
        self.is_away = True
        return self.known.pop(name, None) is not None

    async def live_task_in(self, queue: str) -> str | None:
        return None


async def test_a_change_is_no_failure_because_nobody_can_read_it() -> None:
    """The next turn of the watch finds it. A 503 would have the client believe that nothing was changed."""
    store = FleetingQueues()
    watch = QueueWatch(store, None, Events(), TaskSettingsSource(), DeclaredQueues(), ExecutorSource(()))
    admin = QueueAdmin(cast(Store, store), None, watch, ManualClock())
    for weight in (7, 8):
        store.is_away = False
        queue, _ = await admin.put("low", QueueDraft(weight=weight))
        assert (queue.weight, store.known["low"].weight) == (weight, weight)
    store.is_away = False
    await admin.delete("low")
    assert store.known == {}
    store.is_away = False
    await watch.turn()
    assert watch.declared.weights["low"] == 1
