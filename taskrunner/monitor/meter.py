"""A meter counts events and knows their recent rate."""

# One more than the widest window, so that the current second never overwrites one that still counts.
_SLOTS = 61
WINDOWS = (1, 10, 60)


class Meter:
    """A total, and one counter per second for the last minute.

    `second` is a whole number of seconds on the monotonic clock; it must not go back.
    """

    __slots__ = ("_counts", "_first", "_seconds", "total")

    def __init__(self, second: int) -> None:
        self.total = 0
        self._first = second
        self._seconds = [-1] * _SLOTS
        self._counts = [0] * _SLOTS

    def add(self, count: int, second: int) -> None:
        slot = second % _SLOTS
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += count
        self.total += count

    def rate(self, window: int, second: int) -> float:
        """Per second, over the last `window` complete seconds or the lifetime of the meter, if shorter."""
        lived = min(window, second - self._first)
        if lived <= 0:
            return 0.0
        oldest = second - window
        pairs = zip(self._seconds, self._counts, strict=True)
        return sum(count for at, count in pairs if oldest <= at < second) / lived
