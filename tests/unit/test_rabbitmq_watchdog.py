"""The watchdog heals once, and tells when healing did not help."""

from collections.abc import Mapping

from taskrunner.brokers.rabbitmq.watchdog import Sighting, Watchdog
from taskrunner.domain.events import Events
from taskrunner.domain.task import Priority


class Scene:
    """One queue with messages, a clock, and what the watchdog did."""

    def __init__(self) -> None:
        self.now = 0.0
        self.last_delivery = 0.0
        self.heals: list[str] = []
        self.watchdog = Watchdog(
            10,
            see=lambda: {Priority.LOW: Sighting(self.last_delivery, has_credit=True)},
            ask=self._ask,
            heal=self.heals.append,
            clock=lambda: self.now,
            events=Events(),
        )

    async def _ask(self) -> Mapping[Priority, int]:
        return {Priority.LOW: 3}

    async def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            await self.watchdog.turn()


async def test_one_stall_is_healed_without_alarm() -> None:
    """The first stall costs a new connection and is counted."""
    scene = Scene()
    await scene.live(12)
    assert scene.heals == ["queue low has ready messages, but none came for 10 s"]
    assert scene.watchdog.count == 1
    assert scene.watchdog.verdict is None


async def test_second_stall_in_a_row_is_told_until_a_delivery_comes() -> None:
    """When a new connection did not help, the verdict stands until something is delivered."""
    scene = Scene()
    await scene.live(24)
    assert len(scene.heals) == 2
    assert scene.watchdog.verdict is not None
    assert "2 times in a row" in scene.watchdog.verdict
    scene.last_delivery = scene.now
    await scene.live(1)
    assert scene.watchdog.verdict is None


async def test_deliveries_keep_the_watchdog_quiet() -> None:
    """A queue that always has more waiting is no stall while it moves."""
    scene = Scene()
    for _ in range(10):
        await scene.live(5)
        scene.last_delivery = scene.now
    assert scene.heals == []
