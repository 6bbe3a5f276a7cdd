"""The queue counter tells what each queue holds, in processes with a broker and in those without."""

from collections.abc import Mapping

from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.queues.queue import QueueCounts
from taskrunner.stores.base import FleetStore


class QueueCounter:
    """`broker` is None for a process that does not connect to one, such as a command beside `dev`.

    The queues of an in-memory broker are known to its process alone, which reports them with its workers.
    """

    def __init__(self, broker: Broker | None, store: FleetStore, clock: Clock) -> None:
        self._broker = broker
        self._store = store
        self._clock = clock

    async def counts(self) -> Mapping[str, QueueCounts]:
        """Empty where nobody can tell. Raises `BrokerUnavailable`, `TopologyConflict`, `StoreUnavailable`."""
        if self._broker is not None:
            return await self._broker.queue_counts()
        found: dict[str, QueueCounts] = {}
        for report in await self._store.worker_reports(now=self._clock.now()):
            found |= report.in_memory
        return found

    def blocked(self) -> str | None:
        """Why the broker takes no messages now."""
        return None if self._broker is None else self._broker.status().blocked
