"""Backlog owns the deliveries that wait for a free worker: a line per queue, and in it a line per host."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from taskrunner.consumer.fair_lines import FairLines, MayStart
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.tasks.task import Task


class Backlog:
    """Takes from the queues by weight, so that a full high queue slows the others but starves none.

    Weighted fair queueing: a delivery costs its queue the inverse of the weight, and the queue whose next
    delivery ends first has the next turn. With weights 16, 4 and 1, low gets one turn in 21. What is put
    back was not served and costs nothing. A queue where nothing may start saves up no turns. `weights` may
    change at any time; a queue without one has 1. Within a queue its hosts take turns, see `FairLines`.
    """

    def __init__(self, weights: Mapping[str, int], stats_of: Callable[[Task], HostStats]) -> None:
        self.weights = weights
        self._stats_of = stats_of
        # Those that are not empty.
        self._queues: dict[str, FairLines] = {}
        self._spent: defaultdict[str, float] = defaultdict(float)
        # What the queue of the last turn had spent before it.
        self._level = 0.0

    def __len__(self) -> int:
        return sum(lines.size for lines in self._queues.values())

    @property
    def lines(self) -> Mapping[str, FairLines]:
        """Of each queue where something waits."""
        return self._queues

    def append(self, waiting: WaitingDelivery) -> None:
        waiting.host_stats = self._stats_of(waiting.envelope.task)
        self._lines(waiting).append(waiting)

    def put_back(self, batch: Iterable[WaitingDelivery]) -> None:
        """Return what was taken, in its order, ahead of everything else."""
        for waiting in reversed(list(batch)):
            queue = waiting.delivery.queue
            self._lines(waiting).put_back(waiting)
            self._spent[queue] -= self._cost(queue) * waiting.is_charged
            waiting.is_charged = False

    def discard_older(self, queue: str, epoch: int) -> None:
        """Discard a queue's deliveries of earlier epochs: the broker has requeued them and sends them again.

        Each queue counts its own epochs.
        """
        for waiting in self.take_queue(queue):
            if waiting.delivery.epoch >= epoch:
                self._lines(waiting).append(waiting)

    def regroup(self) -> None:
        """Find out anew what decides when each delivery may start."""
        for waiting in self.take_all():
            self.append(waiting)

    def take_queue(self, queue: str) -> list[WaitingDelivery]:
        """Everything that waits in one queue."""
        lines = self._queues.pop(queue, None)
        return [] if lines is None else lines.take_all()

    def take_all(self) -> list[WaitingDelivery]:
        """Everything that waits."""
        return [waiting for queue in [*self._queues] for waiting in self.take_queue(queue)]

    def take_host(self, stats: HostStats) -> list[WaitingDelivery]:
        """Everything that waits for one host."""
        taken = [waiting for lines in self._queues.values() for waiting in lines.take_latest(stats)]
        self.drop_empty()
        return taken

    def take(self, count: int, may_start: MayStart) -> list[WaitingDelivery]:
        """Up to `count` deliveries that may start, the queues in turn."""
        taken: list[WaitingDelivery] = []
        open_queues = dict(self._queues)
        while open_queues and len(taken) < count:
            queue = self._next(open_queues)
            lines, cost = open_queues[queue], self._cost(queue)
            waiting = lines.take(may_start)
            if waiting is None:
                del open_queues[queue]
                # The least that a queue can have spent whose turns were not held up.
                self._spent[queue] = max(self._spent[queue], self._level - cost)
                continue
            taken.append(waiting)
            waiting.is_charged = True
            self._level = self._spent[queue]
            self._spent[queue] += cost
        for lines in self._queues.values():
            lines.end_round()
        self.drop_empty()
        return taken

    def _next(self, open_queues: Mapping[str, FairLines]) -> str:
        if len(open_queues) == 1:
            return next(iter(open_queues))
        return min(open_queues, key=lambda queue: self._spent[queue] + self._cost(queue))

    def _lines(self, waiting: WaitingDelivery) -> FairLines:
        queue = waiting.delivery.queue
        lines = self._queues.get(queue)
        if lines is None:
            lines = self._queues[queue] = FairLines()
            self._spent[queue] = max(self._spent[queue], self._level)
        return lines

    def drop_empty(self) -> None:
        """Forget queues where nothing waits any more."""
        for queue in [queue for queue, lines in self._queues.items() if not lines.size]:
            del self._queues[queue]

    def _cost(self, queue: str) -> float:
        return 1 / self.weights.get(queue, 1)
