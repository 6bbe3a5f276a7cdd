"""The outage_recovery looks soon at what is queued after an outage of the store, or after our start.

The store may have lost its last writes: a file that was cut short, or a failover, can leave a task `queued`
whose message was acked long ago. By itself that one would wait for the time after which the broker is thought
to have forgotten it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.stores.base import AttemptRef, Store


@dataclass(slots=True)
class _Search:
    """Where a outage_recovery stands: `queues` are those that were empty when it began."""

    before: datetime
    queues: frozenset[Priority]
    cursor: str | None = None


@dataclass(slots=True)
class OutageRecovery:
    """Makes queued tasks of empty queues due, `batch_size` looked at with each turn; the relay does the rest.

    Those published since `begin` are left alone; so each is recalled once, however many relays there are.
    """

    store: Store
    broker: Broker
    batch_size: int
    forgotten_after: float
    _before: datetime | None = field(default=None, init=False)
    _search: _Search | None = field(default=None, init=False)

    def begin(self, now: datetime) -> None:
        """The store is there; a outage_recovery that is under way begins anew."""
        self._before, self._search = now, None

    async def turn(self, now: datetime) -> None:
        """One page. Raises `StoreUnavailable` and `BrokerUnavailable`; the next turn goes on."""
        if self._before is None:
            return
        if self._search is None:
            depths = await self.broker.depths()
            self._search = _Search(
                self._before, frozenset(queue for queue in Priority if not depths.get(queue))
            )
        search = self._search
        page = await self.store.list_tasks(Status.QUEUED, limit=self.batch_size, cursor=search.cursor)
        doubtful = [record for record in page.items if self._is_doubtful(record, search)]
        refs = [AttemptRef(id=record.task.id, attempt=record.attempt + 1) for record in doubtful]
        await self.store.postpone(refs, due=now)
        search.cursor = page.cursor
        if page.cursor is None or not search.queues:
            self._before = self._search = None

    def _is_doubtful(self, record: Record, search: _Search) -> bool:
        """A queued task's due time tells when it was published, or looked at, last."""
        published_by = search.before + timedelta(seconds=self.forgotten_after)
        return record.task.priority in search.queues and record.due is not None and record.due < published_by
