"""FairLines: the waiting deliveries of one queue, in a line per host or fairness key, which take turns."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count

from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.tasks.submitter import namespace_of

# Whether one more attempt may start at a host; if so, its place is taken.
MayStart = Callable[[HostStats], bool]
# A host, or the namespace of a task's submitter and its fairness key: isolated submitters share no line.
Key = HostStats | tuple[str, str]
Deliveries = deque[WaitingDelivery]

# Seconds of a worker that an attempt is taken to need while none has been measured, and at least.
_UNMEASURED, _SHORTEST = 0.1, 0.001
_OUT_OF_ORDER = -1
# Entries of lines that are gone are removed once there are so many more of them than of others.
_MOST_INVALID = 100


@dataclass(slots=True, eq=False)
class _Line:
    """What waits under a fairness key, or for a host. Under a key, its hosts take turns.

    `spent` are the seconds of workers that it will have had with its next delivery, `entry` is the number of
    its valid entry in the order.
    """

    key: Key
    spent: float
    entry: int = _OUT_OF_ORDER
    hosts: dict[HostStats, Deliveries] = field(default_factory=dict)


class FairLines:
    """Self-clocked fair queueing: next is the line that will have had the least of the workers afterwards.

    A delivery costs its line the mean time of an attempt at its host. A line where nothing waited saves up no
    turns: it enters behind what the last one has had, so that new ones, however many come, keep nobody
    waiting for long. However many deliveries of a host must wait, only the host is looked at.
    https://doi.org/10.1109/INFCOM.1994.337677
    """

    def __init__(self) -> None:
        self._lines: dict[Key, _Line] = {}
        # Beside the line of a host itself, those of keys.
        self._keyed: defaultdict[HostStats, set[_Line]] = defaultdict(set)
        self._order: list[tuple[float, int, _Line]] = []
        # What may not start in the present round.
        self._passed: list[tuple[_Line, HostStats, Deliveries]] = []
        self._numbers = count()
        # What the line has had whose turn was last.
        self._level = 0.0
        self.size = 0

    @property
    def hosts(self) -> Iterable[HostStats]:
        """Those that have something waiting; with several keys, some more than once."""
        for line in self._lines.values():
            yield from line.hosts

    @property
    def keys(self) -> Iterable[Key]:
        """Fairness keys, and hosts of tasks without one."""
        return self._lines.keys()

    def append(self, waiting: WaitingDelivery) -> None:
        self._line(waiting).hosts[waiting.host_stats].append(waiting)
        self.size += 1
        waiting.host_stats.waiting += 1

    def has_startable(self, now: float) -> bool:
        """Whether tasks wait that lack a worker only."""
        return any(not stats.is_held(now) for stats in self.hosts)

    def put_back(self, waiting: WaitingDelivery) -> None:
        """Return a delivery, ahead of everything else of its host; its turn costs nothing."""
        line = self._line(waiting)
        line.hosts[waiting.host_stats].appendleft(waiting)
        if waiting.is_charged:
            line.spent -= cost(waiting.host_stats)
            self._enter(line)
        self._count(waiting.host_stats, 1)

    def take(self, may_start: MayStart) -> WaitingDelivery | None:
        """The delivery whose turn it is. A host that may start nothing is not asked again in this round."""
        while self._order:
            _, entry, line = self._order[0]
            if entry != line.entry:
                heappop(self._order)
                continue
            stats = next(iter(line.hosts))
            if may_start(stats):
                return self._take_from(line, stats)
            heappop(self._order)
            self._passed.append((line, stats, line.hosts.pop(stats)))
            # It came here later than by the cost of its next host, and gets that back; no more is saved up.
            line.spent = max(line.spent, self._level) - cost(stats)
            if line.hosts:
                self._enter_for_next(line)
        return None

    def end_round(self) -> None:
        for line, stats, deliveries in self._passed:
            is_first = not line.hosts
            line.hosts[stats] = deliveries
            if is_first:
                self._lines[line.key] = line
                self._enter_for_next(line)
        self._passed.clear()

    def take_latest(self, stats: HostStats, keep: int = 0) -> list[WaitingDelivery]:
        """What waits for a host, but the first `keep`; of several lines each keeps its part."""
        lines = [*self._keyed.get(stats, ())]
        if stats in self._lines:
            lines.append(self._lines[stats])
        kept = zip(lines, parts(keep, len(lines)), strict=True)
        return [each for line, part in kept for each in self._take_latest(line, stats, part)]

    def take_latest_of_key(self, key: Key, keep: int) -> list[WaitingDelivery]:
        """What waits under a key, but the first `keep`; each of its hosts keeps its part."""
        line = self._lines[key]
        kept = zip([*line.hosts], parts(keep, len(line.hosts)), strict=True)
        return [each for stats, part in kept for each in self._take_latest(line, stats, part)]

    def take_all(self) -> list[WaitingDelivery]:
        return [waiting for stats in dict.fromkeys(self.hosts) for waiting in self.take_latest(stats)]

    def _take_latest(self, line: _Line, stats: HostStats, keep: int) -> list[WaitingDelivery]:
        deliveries = line.hosts[stats]
        taken = [deliveries.pop() for _ in range(len(deliveries) - keep)][::-1]
        if not deliveries:
            self._drop(line, stats)
        self._count(stats, -len(taken))
        return taken

    def _take_from(self, line: _Line, stats: HostStats) -> WaitingDelivery:
        deliveries = line.hosts[stats]
        waiting = deliveries.popleft()
        self._level = max(self._level, line.spent)
        if not deliveries:
            self._drop(line, stats)
        elif len(line.hosts) > 1:
            line.hosts[stats] = line.hosts.pop(stats)
        if line.hosts:
            line.spent += cost(next(iter(line.hosts)))
            heapreplace(self._order, (line.spent, line.entry, line))
        else:
            heappop(self._order)
        self.size -= 1
        stats.waiting -= 1
        return waiting

    def _line(self, waiting: WaitingDelivery) -> _Line:
        """The line of a delivery, where its host has a place."""
        stats, task = waiting.host_stats, waiting.envelope.task
        key = (namespace_of(task.id), task.fairness_key) if task.fairness_key else stats
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(key, self._level + cost(stats))
            self._enter(line)
        if stats not in line.hosts:
            line.hosts[stats] = deque()
            if key is not stats:
                self._keyed[stats].add(line)
        return line

    def _drop(self, line: _Line, stats: HostStats) -> None:
        """Take a host out of a line, and the line out of the order if it was the last."""
        del line.hosts[stats]
        if line.key is not stats:
            self._keyed[stats].discard(line)
            if not self._keyed[stats]:
                del self._keyed[stats]
        if not line.hosts:
            del self._lines[line.key]
            line.entry = _OUT_OF_ORDER

    def _enter_for_next(self, line: _Line) -> None:
        """Put a line in the order whose next delivery is not counted in `spent`."""
        line.spent += cost(next(iter(line.hosts)))
        self._enter(line)

    def _enter(self, line: _Line) -> None:
        """Put a line in its place in the order; entries that it has there become invalid."""
        line.entry = next(self._numbers)
        heappush(self._order, (line.spent, line.entry, line))
        if len(self._order) > 2 * len(self._lines) + _MOST_INVALID:
            self._order = [entry for entry in self._order if entry[1] == entry[2].entry]
            heapify(self._order)

    def _count(self, stats: HostStats, change: int) -> None:
        self.size += change
        stats.waiting += change


def cost(stats: HostStats) -> float:
    """The seconds of a worker that an attempt is taken to need."""
    return _UNMEASURED if stats.unmeasured else max(stats.mean_time, _SHORTEST)


def parts(most: int, count: int) -> list[int]:
    """How many tasks each of `count` may keep. With more of these than tasks, the last keep none."""
    return [max(1, most // count) if place < most else 0 for place in range(count)]
