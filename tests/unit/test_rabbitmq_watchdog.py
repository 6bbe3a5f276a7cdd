"""The watchdog reconnects, and reports a stall that a new connection did not end."""

from collections.abc import Mapping

from taskrunner.brokers.rabbitmq.watchdog import SubscriptionActivity, Watchdog
from taskrunner.domain.events import Events


class Scene:
    """One queue with messages, a clock, and the reconnects that the watchdog asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.last_delivery = 0.0
        self.reconnects: list[str] = []
        self.watchdog = Watchdog(
            10,
            get_activities=lambda: {"low": SubscriptionActivity(self.last_delivery, has_credit=True)},
            get_depths=self._depths,
            reconnect=self.reconnects.append,
            clock=lambda: self.now,
            events=Events(),
        )

    async def _depths(self) -> Mapping[str, int]:
        return {"low": 3}

    async def run_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            await self.watchdog.turn()


async def test_one_stall_is_repaired_without_alarm() -> None:
    """The first stall costs a new connection and is counted."""
    scene = Scene()
    await scene.run_for(12)
    assert scene.reconnects == ["queue low has ready messages but has delivered none for 10 s"]
    assert scene.watchdog.stall_count == 1
    assert scene.watchdog.persistent_stall is None


async def test_second_stall_in_a_row_is_reported_until_a_delivery_arrives() -> None:
    """When a new connection did not help, the stall is reported until something is delivered."""
    scene = Scene()
    await scene.run_for(24)
    assert len(scene.reconnects) == 2
    assert scene.watchdog.persistent_stall is not None
    assert "2 times in a row" in scene.watchdog.persistent_stall
    scene.last_delivery = scene.now
    await scene.run_for(1)
    assert scene.watchdog.persistent_stall is None


async def test_deliveries_keep_the_watchdog_quiet() -> None:
    """A queue that always has more waiting is no stall while it moves."""
    scene = Scene()
    for _ in range(10):
        await scene.run_for(5)
        scene.last_delivery = scene.now
    assert scene.reconnects == []
