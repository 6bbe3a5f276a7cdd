"""The deliveries of one channel that we have not settled, and the fewest frames that settle some. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AckPlan:
    """One ack of everything up to `up_to` (0 for none), then one ack for each of `singles`."""

    up_to: int
    singles: Sequence[int]


class Unacked:
    """Tags come in rising order. What is settled, or was never noted, is passed over.

    An ack with multiple=True must name a tag that is still open: RabbitMQ answers any other by closing the
    channel, after it has acked everything.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._low = 1  # no tag below is open
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    def note(self, tag: int) -> None:
        self._open.add(tag)
        self._last = tag

    def take(self, tags: Sequence[int]) -> list[int]:
        """Settle them one by one (release, reject): those that were open, in rising order."""
        taken = sorted(self._open.intersection(tags))
        self._open.difference_update(taken)
        self._advance()
        return taken

    def ack(self, tags: Sequence[int]) -> AckPlan:
        """Ack them. The run of settled tags at the bottom becomes one frame."""
        taken = self.take(tags)
        below = [tag for tag in taken if tag < self._low]
        if len(below) < 2:
            return AckPlan(0, taken)
        return AckPlan(below[-1], taken[len(below) :])

    def _advance(self) -> None:
        low = self._low
        while low <= self._last and low not in self._open:
            low += 1
        self._low = low
