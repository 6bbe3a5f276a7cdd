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

    Weighted fair queueing: a delivery costs its queue the inverse of the weight, and the queue whose next
    delivery ends first has the next turn. With weights 16, 4 and 1, low gets one turn in 21. What is put
    back was not served and costs nothing, so looking ahead changes no share. A queue that was empty saves up
    no turns. `weights` may change at any time; a queue without one has 1.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self.weights = weights
        # Those that are not empty.
        self._queues: dict[str, deque[WaitingDelivery]] = {}
        self._spent: defaultdict[str, float] = defaultdict(float)
        # What the queue of the last turn had spent before it.
        self._level = 0.0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, waiting: WaitingDelivery) -> None:
        queue = waiting.delivery.queue
        entries = self._queues.get(queue)
        if entries is None:
            entries = self._queues[queue] = deque()
            self._spent[queue] = max(self._spent[queue], self._level)
        entries.append(waiting)
        self._size += 1

    def put_back(self, batch: Iterable[WaitingDelivery]) -> None:
        """Return what `take` gave, in its order, ahead of everything else."""
        for waiting in reversed(list(batch)):
            queue = waiting.delivery.queue
            self._queues.setdefault(queue, deque()).appendleft(waiting)
            self._spent[queue] -= self._cost(queue)
            self._size += 1

    def discard_older(self, queue: str, epoch: int) -> None:
        """Discard a queue's deliveries of earlier epochs: the broker has requeued them and sends them again.

        Each queue counts its own epochs.
        """
        entries = self._queues.pop(queue, ())
        kept = deque(item for item in entries if item.delivery.epoch >= epoch)
        self._size += len(kept) - len(entries)
        if kept:
            self._queues[queue] = kept

    def take_queue(self, queue: str) -> list[WaitingDelivery]:
        """Everything that waits in one queue."""
        taken = list(self._queues.pop(queue, ()))
        self._size -= len(taken)
        return taken

    def take(self, count: int) -> list[WaitingDelivery]:
        """Up to `count` deliveries, the queues in turn."""
        taken: list[WaitingDelivery] = []
        while self._size and len(taken) < count:
            queue = self._next_queue()
            entries = self._queues[queue]
            # A single queue gets all turns at once.
            turns = min(len(entries), count - len(taken)) if len(self._queues) == 1 else 1
            taken += [entries.popleft() for _ in range(turns)]
            if not entries:
                del self._queues[queue]
            cost = self._cost(queue)
            self._spent[queue] += turns * cost
            self._level = self._spent[queue] - cost
            self._size -= turns
        return taken

    def _next_queue(self) -> str:
        if len(self._queues) == 1:
            return next(iter(self._queues))
        return min(self._queues, key=lambda queue: self._spent[queue] + self._cost(queue))

    def _cost(self, queue: str) -> float:
        return 1 / self.weights.get(queue, 1)
