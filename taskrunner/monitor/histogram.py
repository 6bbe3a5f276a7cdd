"""Histograms: how often values lay between bounds. To observe costs a bisection and two additions."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

# No queue, executor, route or key can have this name.
OTHERS = "(other)"
# Seconds; a task may wait for less than a millisecond, or for its hosts for a day.
WAIT_BUCKETS = (
    0.005,
    0.025,
    0.1,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
    21600.0,
    86400.0,
)
# Seconds; a call, a request, a turn of the event loop.
CALL_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Members of a batch.
SIZE_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Histogram:
    """`counts` are per bucket of `bounds`, which are upper bounds; the last is of values above them all."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Each upper bound as Prometheus writes it, and how many values did not exceed it."""
        running = 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            running += count
            found.append(("+Inf" if bound is None else f"{bound:g}", running))
        return found


class Histograms:
    """A histogram for each combination of labels, of which there are `most`; the rest are put together."""

    def __init__(self, bounds: Sequence[float], *, most: int) -> None:
        self._bounds = bounds
        self._most = most
        self._found: dict[tuple[str, ...], Histogram] = {}

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        found = self._found.get(labels)
        if found is None:
            found = self._add(labels)
        found.observe(value)

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], Histogram]]:
        return iter(list(self._found.items()))

    def _add(self, labels: tuple[str, ...]) -> Histogram:
        if len(self._found) >= self._most:
            labels = (OTHERS,) * len(labels)
        return self._found.setdefault(labels, Histogram(self._bounds))
