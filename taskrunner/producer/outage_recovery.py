"""The outage recovery checks queued tasks early, after an outage of the store and after our start.

The store may have lost its last writes: a truncated file, or a failover, can leave a task `queued` whose
message was acknowledged long ago. Without this check the task would wait for `forgotten_after`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef, Store


@dataclass(slots=True)
class _Progress:
    """The progress of a recovery: `queues` are those that were empty when it began."""

    before: datetime
    queues: frozenset[str]
    cursor: str | None = None


@dataclass(slots=True)
class OutageRecovery:
    """Makes queued tasks of empty queues due, so that the relay publishes them; a page with each turn.

    Tasks published since `begin` are left alone, so each task is made due once, however many relays run.
    """

    store: Store
    broker: Broker
    batch_size: int
    forgotten_after: float
    _before: datetime | None = field(default=None, init=False)
    _progress: _Progress | None = field(default=None, init=False)

    def begin(self, now: datetime) -> None:
        """Call this when the store is back; a recovery under way starts over."""
        self._before, self._progress = now, None

    async def turn(self, now: datetime) -> None:
        """One page. Raises `StoreUnavailable` and `BrokerUnavailable`; the next turn goes on."""
        if self._before is None:
            return
        if self._progress is None:
            depths = await self.broker.depths()
            self._progress = _Progress(
                self._before, frozenset(queue for queue, ready in depths.items() if not ready)
            )
        progress = self._progress
        page = await self.store.list_tasks(Status.QUEUED, limit=self.batch_size, cursor=progress.cursor)
        lost = [record for record in page.items if self._may_be_lost(record, progress)]
        refs = [AttemptRef(id=record.task.id, attempt=record.attempt + 1) for record in lost]
        await self.store.postpone(refs, due=now)
        progress.cursor = page.cursor
        if page.cursor is None or not progress.queues:
            self._before = self._progress = None

    def _may_be_lost(self, record: Record, progress: _Progress) -> bool:
        """The due time of a queued task tells when it was last published or looked at."""
        published_by = progress.before + timedelta(seconds=self.forgotten_after)
        return record.task.queue in progress.queues and record.due is not None and record.due < published_by
