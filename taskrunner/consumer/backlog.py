"""Backlog owns the deliveries that wait for a free worker, in one line per queue."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.envelope import Envelope
from taskrunner.domain.new_task import NewTask


@dataclass(slots=True, eq=False)
class WaitingDelivery:
    """A readable delivery whose attempt is not claimed yet.

    `foreign`: another program published the message, so the record under its id may be of another task.
    The host gate sets `host_stats` when it first looks at the delivery.
    """

    envelope: Envelope
    delivery: Delivery
    foreign: bool = False
    host_stats: HostStats | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.envelope.task.id, self.envelope.attempt

    def new_task(self, *, now: datetime, hold: float) -> NewTask:
        """The record to adopt the task with. It is due after `hold` seconds, or at the task's `run_at`."""
        task = self.envelope.task
        later = task.run_at if task.run_at and task.run_at > now else None
        return NewTask.of(task, due=later or now + timedelta(seconds=hold), attempt=self.envelope.attempt - 1)


class Backlog:
    """Takes from the queues by weight, so that a full high queue slows the others but starves none.

    The order is smooth weighted round-robin over the queues that are not empty: with weights 16, 4 and 1 a
    low task still gets one turn in 21.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._queues: defaultdict[str, deque[WaitingDelivery]] = defaultdict(deque)
        self._credit: defaultdict[str, int] = defaultdict(int)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, waiting: WaitingDelivery) -> None:
        self._queues[waiting.delivery.queue].append(waiting)
        self._size += 1

    def put_back(self, batch: Iterable[WaitingDelivery]) -> None:
        """Return what `take` gave, in its order, ahead of everything else."""
        for waiting in reversed(list(batch)):
            self._queues[waiting.delivery.queue].appendleft(waiting)
            self._size += 1

    def discard_older(self, queue: str, epoch: int) -> None:
        """Discard a queue's deliveries of earlier epochs: the broker has requeued them and sends them again.

        Each queue counts its own epochs.
        """
        entries = self._queues[queue]
        self._queues[queue] = deque(item for item in entries if item.delivery.epoch >= epoch)
        self._size = sum(map(len, self._queues.values()))

    def take_queue(self, queue: str) -> list[WaitingDelivery]:
        """Everything that waits in one queue."""
        taken = list(self._queues[queue])
        self._queues[queue].clear()
        self._size -= len(taken)
        return taken

    def take(self, count: int) -> list[WaitingDelivery]:
        """Up to `count` deliveries, the queues in turn."""
        taken: list[WaitingDelivery] = []
        while self._size and len(taken) < count:
            filled = [queue for queue, entries in self._queues.items() if entries]
            entries = self._queues[self._next_queue(filled)]
            # A single filled queue gets all turns at once.
            turns = min(len(entries), count - len(taken)) if len(filled) == 1 else 1
            taken += [entries.popleft() for _ in range(turns)]
            self._size -= turns
        return taken

    def _next_queue(self, filled: list[str]) -> str:
        if len(filled) == 1:
            return filled[0]
        for queue in filled:
            self._credit[queue] += self._weights.get(queue, 1)
        best = max(filled, key=self._credit.__getitem__)
        self._credit[best] -= sum(self._weights.get(queue, 1) for queue in filled)
        return best
