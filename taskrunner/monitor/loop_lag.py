"""The loop lag: how late the event loop is with what is due, because something else keeps it busy."""

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.monitor.histogram import Histogram
from taskrunner.runtime.service import Service

_INTERVAL = 0.5


class LoopLag(Service):
    """One turn: how much later than asked did we wake?"""

    def __init__(self, events: Events, clock: Clock, lags: Histogram) -> None:
        super().__init__("loop lag", events)
        self._clock = clock
        self._lags = lags
        self._due: float | None = None

    async def turn(self) -> float:
        now = self._clock.monotonic()
        if self._due is not None:
            self._lags.observe(max(0.0, now - self._due))
        self._due = now + _INTERVAL
        return _INTERVAL
