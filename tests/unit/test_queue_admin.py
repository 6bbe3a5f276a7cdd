"""Queue administration while the store goes away: what was changed is answered as changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from taskrunner.domain.errors import StateConflict, StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.queues.declared_queues import DeclaredQueues, StoredQueue
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.producer.change_check import MAX_TRIES
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.stores.base import QueueStore, Store
from tests.tools.clock import ManualClock

EARLIER = datetime(2020, 1, 1, tzinfo=UTC)


class FleetingQueues(QueueStore):
    """Queues in memory; the store goes away after each write."""

    def __init__(self) -> None:
        self.known: dict[str, StoredQueue] = {}
        self.is_away = False
        # What other processes write just before our next writes.
        self.meddling: list[StoredQueue] = []

    async def save_queue(self, queue: StoredQueue, *, expected: StoredQueue | None) -> bool:
        if self.meddling:
            self.known[queue.name] = self.meddling.pop()
        if self.known.get(queue.name) != expected:
            return False
        self.known[queue.name] = queue
        self.is_away = True
        return True

    async def queues(self) -> Sequence[StoredQueue]:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        return list(self.known.values())

    async def delete_queue(self, expected: StoredQueue) -> bool:
        self.is_away = True
        return self.known.pop(expected.name) == expected

    async def live_task_in(self, queue: str) -> str | None:
        return None


def administration(store: FleetingQueues) -> tuple[QueueAdmin, QueueWatch]:
    watch = QueueWatch(store, None, Events(), TaskSettingsSource(), DeclaredQueues(), ExecutorSource(()))
    return QueueAdmin(cast(Store, store), None, watch, ManualClock()), watch


async def test_a_change_is_no_failure_because_nobody_can_read_it() -> None:
    """The next turn of the watch finds it. A 503 would have the client believe that nothing was changed."""
    store = FleetingQueues()
    admin, watch = administration(store)
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


async def test_a_change_is_made_from_what_another_process_has_just_written() -> None:
    """Of a queue that was made meanwhile, the time of its making stays."""
    store = FleetingQueues()
    admin, _ = administration(store)
    theirs = StoredQueue(name="low", weight=3, created_at=EARLIER, updated_at=EARLIER)
    store.meddling = [theirs]
    await admin.put("low", QueueDraft(weight=7))
    assert (store.known["low"].weight, store.known["low"].created_at) == (7, EARLIER)


async def test_a_queue_that_others_change_all_the_time_is_left_to_them() -> None:
    store = FleetingQueues()
    admin, _ = administration(store)
    theirs = [
        StoredQueue(name="low", weight=weight, created_at=EARLIER, updated_at=EARLIER)
        for weight in range(1, MAX_TRIES + 1)
    ]
    store.meddling = theirs
    with pytest.raises(StateConflict, match="being changed by others"):
        await admin.put("low", QueueDraft(weight=50))
