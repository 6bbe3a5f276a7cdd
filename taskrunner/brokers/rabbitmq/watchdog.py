"""The watchdog: heals a subscription that is alive and gets nothing, the most reported fault of the field."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from taskrunner.domain.events import Events
from taskrunner.domain.task import Priority
from taskrunner.runtime.service import Service


@dataclass(frozen=True, slots=True)
class Sighting:
    """A queue with a subscription of ours: when its last delivery came, and whether more may come."""

    last_delivery: float
    has_credit: bool


class Stalls:
    """Decides from sightings and depths which queue is stalled. Pure: time comes as an argument.

    A queue is suspect while it has ready messages, we have credit, and nothing comes. It is stalled once it
    was suspect for `after` seconds without a break, so that one message seen on its way is no stall.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._suspect: dict[Priority, float] = {}

    def look(
        self, now: float, sightings: Mapping[Priority, Sighting], depths: Mapping[Priority, int]
    ) -> tuple[Priority, float] | None:
        """A stalled queue and for how long it has been so."""
        for queue in Priority:
            sighting = sightings.get(queue)
            if sighting is None or not sighting.has_credit or not depths.get(queue):
                self._suspect.pop(queue, None)
                continue
            since = max(self._suspect.get(queue, now), sighting.last_delivery)
            self._suspect[queue] = since
            if now - since >= self._after:
                return queue, now - since
        return None

    def forget(self) -> None:
        self._suspect.clear()


class Watchdog(Service):
    """Looks a few times per `after` seconds and lets `heal` make the connection anew.

    `verdict` is the reason why we are not consuming, from the second stall in a row on: then a new connection
    has not helped, and a human should know.
    """

    def __init__(
        self,
        after: float,
        *,
        see: Callable[[], Mapping[Priority, Sighting]],
        ask: Callable[[], Awaitable[Mapping[Priority, int]]],
        heal: Callable[[str], None],
        clock: Callable[[], float],
        events: Events,
    ) -> None:
        super().__init__("rabbitmq watchdog", events)
        self._pause_between = after / 4
        self._stalls = Stalls(after)
        self._see, self._ask, self._heal, self._clock = see, ask, heal, clock
        self._in_a_row = 0
        self._healed_at = float("-inf")
        self.count = 0
        self.verdict: str | None = None

    async def turn(self) -> float:
        sightings = self._see()
        if not sightings:
            self._stalls.forget()
            return self._pause_between
        if any(sighting.last_delivery > self._healed_at for sighting in sightings.values()):
            self._in_a_row, self.verdict = 0, None
        stalled = self._stalls.look(self._clock(), sightings, await self._ask())
        if stalled is not None:
            self._act(*stalled)
        return self._pause_between

    def _act(self, queue: Priority, seconds: float) -> None:
        self.count += 1
        self._in_a_row += 1
        self._healed_at = self._clock()
        self._stalls.forget()
        reason = f"queue {queue.value} has ready messages, but none came for {seconds:.0f} s"
        if self._in_a_row > 1:
            self.verdict = f"{reason}, {self._in_a_row} times in a row"
        self._heal(reason)
