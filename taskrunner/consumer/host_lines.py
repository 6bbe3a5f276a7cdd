"""HostLines: the waiting deliveries of one queue, in a line per host. Hosts take turns by worker time."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import count

from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery

# Whether one more attempt may start at a host; if so, its place is taken.
MayStart = Callable[[HostStats], bool]

# Seconds of a worker that an attempt is taken to need while none has been measured, and at least.
_UNMEASURED, _SHORTEST = 0.1, 0.001


@dataclass(slots=True, eq=False)
class _Line:
    """`spent` are the seconds of workers that the host will have had with its next delivery.

    `entry` is the number of the line's valid entry in the order.
    """

    stats: HostStats
    spent: float
    entry: int
    deliveries: deque[WaitingDelivery] = field(default_factory=deque)

    @property
    def cost(self) -> float:
        stats = self.stats
        return _UNMEASURED if stats.unmeasured else max(stats.mean_time, _SHORTEST)


class HostLines:
    """Self-clocked fair queueing: next is the host that will have had the least of the workers afterwards.

    A delivery costs its host the mean time of an attempt there. A host where nothing waited saves up no
    turns: it enters behind what the last one has had, so that new hosts, however many come, keep nobody
    waiting for long. However many deliveries of a host must wait, only the host is looked at.
    https://doi.org/10.1109/INFCOM.1994.337677
    """

    def __init__(self) -> None:
        self._lines: dict[HostStats, _Line] = {}
        self._order: list[tuple[float, int, _Line]] = []
        # Those that may start nothing, in the present round.
        self._passed: list[_Line] = []
        self._numbers = count()
        # What the host has had whose turn was last.
        self._level = 0.0
        self.size = 0

    @property
    def hosts(self) -> Iterable[HostStats]:
        """Those that have something waiting."""
        return self._lines.keys()

    def append(self, waiting: WaitingDelivery) -> None:
        stats = waiting.host_stats
        (self._lines.get(stats) or self._line(stats)).deliveries.append(waiting)
        self.size += 1
        stats.waiting += 1

    def has_startable(self, now: float) -> bool:
        """Whether tasks wait that lack a worker only."""
        return any(not stats.is_held(now) for stats in self._lines)

    def put_back(self, waiting: WaitingDelivery) -> None:
        """Return a delivery, ahead of everything else of its host; its turn costs nothing."""
        line = self._line(waiting.host_stats)
        line.deliveries.appendleft(waiting)
        if waiting.is_charged:
            line.spent -= line.cost
            self._enter(line)
        self._count(waiting.host_stats, 1)

    def take(self, may_start: MayStart) -> WaitingDelivery | None:
        """The delivery whose turn it is. A host that may start nothing is not asked again in this round."""
        while self._order:
            _, entry, line = self._order[0]
            if entry != line.entry or not line.deliveries:
                heappop(self._order)
            elif not may_start(line.stats):
                heappop(self._order)
                self._passed.append(line)
            else:
                return self._take_from(line)
        return None

    def end_round(self) -> None:
        for line in self._passed:
            if line.deliveries:
                self._enter(line)
        self._passed.clear()

    def take_host(self, stats: HostStats) -> list[WaitingDelivery]:
        """All that waits for a host."""
        line = self._lines.pop(stats, None)
        if line is None:
            return []
        taken = list(line.deliveries)
        line.deliveries.clear()
        self._count(stats, -len(taken))
        return taken

    def take_latest(self, stats: HostStats, keep: int) -> list[WaitingDelivery]:
        """What waits for a host behind the first `keep` deliveries."""
        if not keep:
            return self.take_host(stats)
        deliveries = self._lines[stats].deliveries
        taken = [deliveries.pop() for _ in range(len(deliveries) - keep)][::-1]
        self._count(stats, -len(taken))
        return taken

    def take_all(self) -> list[WaitingDelivery]:
        return [waiting for stats in [*self._lines] for waiting in self.take_host(stats)]

    def _take_from(self, line: _Line) -> WaitingDelivery:
        waiting = line.deliveries.popleft()
        self._level = max(self._level, line.spent)
        if line.deliveries:
            line.spent = self._level + line.cost
            heapreplace(self._order, (line.spent, line.entry, line))
        else:
            heappop(self._order)
            del self._lines[line.stats]
        self.size -= 1
        line.stats.waiting -= 1
        return waiting

    def _line(self, stats: HostStats) -> _Line:
        line = self._lines.get(stats)
        if line is None:
            line = self._lines[stats] = _Line(stats, self._level, 0)
            line.spent += line.cost
            self._enter(line)
        return line

    def _enter(self, line: _Line) -> None:
        """Put a line in its place in the order; entries that it has there become invalid."""
        line.entry = next(self._numbers)
        heappush(self._order, (line.spent, line.entry, line))

    def _count(self, stats: HostStats, change: int) -> None:
        self.size += change
        stats.waiting += change
