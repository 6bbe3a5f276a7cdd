"""The unacknowledged delivery tags of one channel, and the fewest acks for some of them. Pure."""

from collections.abc import Sequence


class UnackedTags:
    """Tags arrive in rising order. Tags that are not open, or no longer, are ignored.

    An ack with multiple=True must name a tag that is still open. For any other, RabbitMQ acknowledges
    everything and then closes the channel.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._lowest = 1  # no tag below is open
        self._latest = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, tag: int) -> None:
        self._open.add(tag)
        self._latest = tag

    def remove(self, tags: Sequence[int]) -> list[int]:
        """The tags that were open, in rising order."""
        removed = sorted(self._open.intersection(tags))
        self._open.difference_update(removed)
        lowest = self._lowest
        while lowest <= self._latest and lowest not in self._open:
            lowest += 1
        self._lowest = lowest
        return removed

    def plan_acks(self, tags: Sequence[int]) -> tuple[int, Sequence[int]]:
        """Remove the tags; answers `(up_to, singles)`.

        To send are one ack of everything up to `up_to` (0 for none), and one ack for each of `singles`.
        """
        removed = self.remove(tags)
        below = [tag for tag in removed if tag < self._lowest]
        if len(below) < 2:
            return 0, removed
        return below[-1], removed[len(below) :]
