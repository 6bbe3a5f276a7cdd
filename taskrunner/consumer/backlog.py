"""The backlog: tasks delivered to this process and not yet claimed, one queue per lane."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.tally import Tally
from taskrunner.domain.envelope import Envelope
from taskrunner.domain.task import Lane


@dataclass(slots=True, eq=False)
class Waiting:
    """A readable delivery that waits for a free worker.

    `foreign`: somebody else's message, so that its task may be another than the one recorded under its id.
    `tally` is that of its host, once somebody has looked.
    """

    envelope: Envelope
    delivery: Delivery
    foreign: bool = False
    tally: Tally | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.envelope.task.id, self.envelope.attempt


class Backlog:
    """Takes from the lanes in turn by weight, so that a full high lane slows the others but starves none.

    The turn is smooth weighted round-robin over the lanes that have something: with weights 16, 4 and 1 a
    low task still gets one turn in 21.
    """

    def __init__(self, weights: Mapping[Lane, int]) -> None:
        self._weights = dict(weights)
        self._queues: dict[Lane, deque[Waiting]] = {lane: deque() for lane in Lane}
        self._credit: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, waiting: Waiting) -> None:
        self._queues[waiting.delivery.lane].append(waiting)
        self._size += 1

    def put_back(self, batch: Iterable[Waiting]) -> None:
        """Return what `take` gave, in its order, ahead of everything else."""
        for waiting in reversed(list(batch)):
            self._queues[waiting.delivery.lane].appendleft(waiting)
            self._size += 1

    def discard_older(self, lane: Lane, epoch: int) -> None:
        """Forget a lane's deliveries of earlier epochs: the broker has taken them back and sends them again.

        Other lanes are left alone, since each has epochs of its own.
        """
        queue = self._queues[lane]
        self._queues[lane] = deque(item for item in queue if item.delivery.epoch >= epoch)
        self._size = sum(map(len, self._queues.values()))

    def take_lane(self, lane: Lane) -> list[Waiting]:
        """All that waits in a lane."""
        taken = list(self._queues[lane])
        self._queues[lane].clear()
        self._size -= len(taken)
        return taken

    def take(self, count: int) -> list[Waiting]:
        """Up to `count` of what waits, the lanes in turn."""
        taken: list[Waiting] = []
        while self._size and len(taken) < count:
            open_lanes = [lane for lane, queue in self._queues.items() if queue]
            lane = self._next_lane(open_lanes)
            queue = self._queues[lane]
            # Nobody's turn comes in between where a lane is alone.
            turns = min(len(queue), count - len(taken)) if len(open_lanes) == 1 else 1
            taken += [queue.popleft() for _ in range(turns)]
            self._size -= turns
        return taken

    def _next_lane(self, open_lanes: list[Lane]) -> Lane:
        if len(open_lanes) == 1:
            return open_lanes[0]
        for lane in open_lanes:
            self._credit[lane] += self._weights.get(lane, 1)
        best = max(open_lanes, key=self._credit.__getitem__)
        self._credit[best] -= sum(self._weights.get(lane, 1) for lane in open_lanes)
        return best
