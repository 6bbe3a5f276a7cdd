"""The watchdog: repairs a subscription that is active but receives nothing, a much reported fault."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service


@dataclass(frozen=True, slots=True)
class SubscriptionActivity:
    """When a subscribed queue last delivered, and whether its prefetch allows more deliveries."""

    last_delivery: float
    has_credit: bool


class StallDetector:
    """Decides which queue is stalled. Pure: time is an argument.

    A queue is suspect while it has ready messages and credit, and delivers nothing. It is stalled after
    `after` seconds of that without a break, so a message seen on its way is no stall.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._suspect_since: dict[str, float] = {}

    def find_stalled(
        self, now: float, activities: Mapping[str, SubscriptionActivity], depths: Mapping[str, int]
    ) -> tuple[str, float] | None:
        """The first stalled queue, and for how many seconds it has been silent."""
        self._suspect_since = {
            queue: max(self._suspect_since.get(queue, now), activity.last_delivery)
            for queue, activity in activities.items()
            if activity.has_credit and depths.get(queue)
        }
        for queue, since in self._suspect_since.items():
            if now - since >= self._after:
                return queue, now - since
        return None

    def reset(self) -> None:
        self._suspect_since.clear()


class Watchdog(Service):
    """Checks four times per `after` seconds and calls `reconnect` with the reason when a queue is stalled.

    `persistent_stall` is set from the second stall in a row on: a new connection did not help, and an
    operator should know.
    """

    def __init__(
        self,
        after: float,
        *,
        get_activities: Callable[[], Mapping[str, SubscriptionActivity]],
        get_depths: Callable[[], Awaitable[Mapping[str, int]]],
        reconnect: Callable[[str], None],
        clock: Callable[[], float],
        events: Events,
    ) -> None:
        super().__init__("rabbitmq watchdog", events)
        self._check_interval = after / 4
        self._detector = StallDetector(after)
        self._get_activities, self._get_depths = get_activities, get_depths
        self._reconnect, self._clock = reconnect, clock
        self._stalls_in_a_row = 0
        self._reconnected_at = float("-inf")
        self.stall_count = 0
        self.persistent_stall: str | None = None

    async def turn(self) -> float:
        activities = self._get_activities()
        if not activities:
            self._detector.reset()
            return self._check_interval
        if any(activity.last_delivery > self._reconnected_at for activity in activities.values()):
            self._stalls_in_a_row, self.persistent_stall = 0, None
        stalled = self._detector.find_stalled(self._clock(), activities, await self._get_depths())
        if stalled is not None:
            self._handle_stall(*stalled)
        return self._check_interval

    def _handle_stall(self, queue: str, seconds: float) -> None:
        self.stall_count += 1
        self._stalls_in_a_row += 1
        self._reconnected_at = self._clock()
        self._detector.reset()
        reason = f"queue {queue} has ready messages but has delivered none for {seconds:.0f} s"
        if self._stalls_in_a_row > 1:
            self.persistent_stall = f"{reason}, {self._stalls_in_a_row} times in a row"
        self._reconnect(reason)
