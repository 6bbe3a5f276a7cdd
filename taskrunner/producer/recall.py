"""The recall looks soon at what is queued after an outage of the store, which may have lost its last writes.

A file that was cut short, or a failover, can leave a task `queued` whose message was acked long ago. By
itself that one would wait for the time after which the broker is thought to have forgotten it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.stores.base import AttemptRef, Store


@dataclass(slots=True)
class _Search:
    """Where a recall stands: `lanes` are those that were empty when it began."""

    before: datetime
    lanes: frozenset[Lane]
    cursor: str | None = None


@dataclass(slots=True)
class Recall:
    """Makes queued tasks of empty lanes due, `batch_size` looked at with each turn; the relay does the rest.

    Those published since `begin` are left alone; so each is recalled once, however many relays there are.
    """

    store: Store
    broker: Broker
    batch_size: int
    forgotten_after: float
    _before: datetime | None = field(default=None, init=False)
    _search: _Search | None = field(default=None, init=False)

    def begin(self, now: datetime) -> None:
        """The store is back; a recall that is under way begins anew."""
        self._before, self._search = now, None

    async def turn(self, now: datetime) -> None:
        """One page. Raises `StoreUnavailable` and `BrokerUnavailable`; the next turn goes on."""
        if self._before is None:
            return
        if self._search is None:
            depths = await self.broker.depths()
            self._search = _Search(self._before, frozenset(lane for lane in Lane if not depths.get(lane)))
        search = self._search
        page = await self.store.list_tasks(Status.QUEUED, limit=self.batch_size, cursor=search.cursor)
        doubtful = [record for record in page.items if self._is_doubtful(record, search)]
        refs = [AttemptRef(id=record.task.id, attempt=record.attempt + 1) for record in doubtful]
        await self.store.postpone(refs, due=now)
        search.cursor = page.cursor
        if page.cursor is None or not search.lanes:
            self._before = self._search = None

    def _is_doubtful(self, record: Record, search: _Search) -> bool:
        """A queued task's due time tells when it was published, or looked at, last."""
        published_by = search.before + timedelta(seconds=self.forgotten_after)
        return record.task.lane in search.lanes and record.due is not None and record.due <= published_by
