"""The fleet: what operators see of the queues, of the consumers, and of the time before."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import BrokerUnavailable, QueueUnknown, TopologyConflict
from taskrunner.domain.fleet.figures import KEPT, SECOND, Figures, at_once
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.queues.declared_queues import DeclaredQueues, QueueOrigin
from taskrunner.domain.queues.pauses import ALL
from taskrunner.domain.queues.queue import QueueCounts
from taskrunner.domain.value import Value
from taskrunner.producer.explainer import Explainer
from taskrunner.producer.process_reporter import INTERVAL
from taskrunner.producer.queue_counter import QueueCounter
from taskrunner.stores.base import Store

# Rates are averages over this many seconds that every process has reported.
_RATE_OVER = 10
_REPORTED_AFTER = 2 * INTERVAL
# Queued tasks that are looked at for the oldest of each queue.
_MOST_LOOKED_AT = 1000


class QueuePause(Value):
    """`scope` is `all` or `queue:NAME`; `by` is a key or an origin, if the audit has it."""

    scope: str
    since: datetime
    by: str | None


class QueueState(Value):
    """A queue. `ready` and `consumers` are None while nobody can tell; rates are tasks per second."""

    name: str
    weight: int
    declared_by: QueueOrigin
    ready: int | None
    consumers: int | None
    queued_since: datetime | None
    rate_in: float
    rate_out: float
    pause: QueuePause | None
    served_by: tuple[str, ...]


class Moment(Value):
    """The figures of all processes for the seconds from `at`."""

    at: int
    figures: Figures


class Fleet:
    """Raises `StoreUnavailable`."""

    def __init__(
        self,
        store: Store,
        counter: QueueCounter,
        explainer: Explainer,
        declared: DeclaredQueues,
        clock: Clock,
    ) -> None:
        self._store = store
        self._counter = counter
        self._explainer = explainer
        self._declared = declared
        self._clock = clock

    async def workers(self) -> Sequence[WorkerReport]:
        """The consumers that reported within the last seconds."""
        return await self._store.worker_reports(now=self._clock.now())

    async def queues(self) -> Sequence[QueueState]:
        counts = await self._counts()
        queued_since = await self._store.queued_since(limit=_MOST_LOOKED_AT)
        pauses = await self._store.pauses()
        workers = await self.workers()
        last = int(self._clock.now().timestamp()) - _REPORTED_AFTER
        recent = await self.history(seconds=SECOND, first=last - _RATE_OVER + 1, last=last)
        figures = at_once([each.figures for each in recent])
        return [
            QueueState(
                name=queue,
                weight=declared.weight,
                declared_by=declared.declared_by,
                ready=counts[queue].ready if queue in counts else None,
                consumers=counts[queue].consumers if queue in counts else None,
                queued_since=queued_since.get(queue),
                rate_in=figures.published.get(queue, 0) / _RATE_OVER,
                rate_out=figures.begun.get(queue, 0) / _RATE_OVER,
                pause=await self._pause(queue, pauses),
                served_by=tuple(each.id for each in workers if queue in each.queues),
            )
            for queue, declared in self._declared.queues.items()
        ]

    async def queue(self, name: str) -> QueueState:
        """Raises `QueueUnknown`."""
        found = await self.queues()
        for each in found:
            if each.name == name:
                return each
        names = [each.name for each in found]
        raise QueueUnknown(f"no queue has the name {shown(name)}{did_you_mean(name, names)}")

    async def history(self, *, seconds: int, first: int, last: int) -> list[Moment]:
        """The figures that were reported, in order, of the times that are kept."""
        now = int(self._clock.now().timestamp())
        oldest = now - now % seconds - (KEPT[seconds] - 1) * seconds
        first = max(first - first % seconds, oldest)
        found = await self._store.figures(seconds=seconds, first=first, last=last)
        by_start: dict[int, list[Figures]] = {}
        for each in found:
            by_start.setdefault(each.start, []).append(each.figures)
        return [Moment(at=start, figures=at_once(several)) for start, several in sorted(by_start.items())]

    async def _counts(self) -> Mapping[str, QueueCounts]:
        try:
            return await self._counter.counts()
        except (BrokerUnavailable, TopologyConflict):
            return {}

    async def _pause(self, queue: str, pauses: Mapping[str, datetime]) -> QueuePause | None:
        for scope in (ALL, f"queue:{queue}"):
            if scope in pauses:
                since = pauses[scope]
                by = await self._explainer.who_paused(scope, since)
                return QueuePause(scope=scope, since=since, by=by)
        return None
