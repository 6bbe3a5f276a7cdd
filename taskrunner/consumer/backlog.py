"""The backlog: tasks delivered to this process and not yet claimed, one queue per queue."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.envelope import Envelope
from taskrunner.domain.task import Priority


@dataclass(slots=True, eq=False)
class WaitingDelivery:
    """A readable delivery that waits for a free worker.

    `foreign`: somebody else's message, so that its task may be another than the one recorded under its id.
    `host_stats` is that of its host, once somebody has looked.
    """

    envelope: Envelope
    delivery: Delivery
    foreign: bool = False
    host_stats: HostStats | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.envelope.task.id, self.envelope.attempt


class Backlog:
    """Takes from the queues in turn by weight, so that a full high queue slows the others but starves none.

    The turn is smooth weighted round-robin over the queues that have something: with weights 16, 4 and 1 a
    low task still gets one turn in 21.
    """

    def __init__(self, weights: Mapping[Priority, int]) -> None:
        self._weights: dict[str, int] = dict(weights.items())
        self._queues: dict[str, deque[WaitingDelivery]] = {queue: deque() for queue in Priority}
        self._credit: dict[str, int] = dict.fromkeys(Priority, 0)
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
        """Forget a queue's deliveries of earlier epochs: the broker has taken them back and sends them again.

        Other queues are left alone, since each has epochs of its own.
        """
        entries = self._queues[queue]
        self._queues[queue] = deque(item for item in entries if item.delivery.epoch >= epoch)
        self._size = sum(map(len, self._queues.values()))

    def take_queue(self, queue: str) -> list[WaitingDelivery]:
        """All that waits in a queue."""
        taken = list(self._queues[queue])
        self._queues[queue].clear()
        self._size -= len(taken)
        return taken

    def take(self, count: int) -> list[WaitingDelivery]:
        """Up to `count` of what waits, the queues in turn."""
        taken: list[WaitingDelivery] = []
        while self._size and len(taken) < count:
            open_queues = [queue for queue, entries in self._queues.items() if entries]
            queue = self._next_queue(open_queues)
            entries = self._queues[queue]
            # Nobody's turn comes in between where a queue is alone.
            turns = min(len(entries), count - len(taken)) if len(open_queues) == 1 else 1
            taken += [entries.popleft() for _ in range(turns)]
            self._size -= turns
        return taken

    def _next_queue(self, open_queues: list[str]) -> str:
        if len(open_queues) == 1:
            return open_queues[0]
        for queue in open_queues:
            self._credit[queue] += self._weights.get(queue, 1)
        best = max(open_queues, key=self._credit.__getitem__)
        self._credit[best] -= sum(self._weights.get(queue, 1) for queue in open_queues)
        return best
