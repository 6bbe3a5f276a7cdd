"""The outage reminder reports every half a minute that a server is still unreachable."""

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Event, Events, ServiceLost, ServiceRestored, ServiceStillLost
from taskrunner.runtime.service import Service

_INTERVAL = 30.0
# A shorter outage is reported once.
_LONG = 10.0


class OutageReminder(Service):
    """Listens to events from its creation on."""

    def __init__(self, events: Events, clock: Clock) -> None:
        super().__init__("outage reminder", events)
        self._clock = clock
        self._lost: dict[str, tuple[ServiceLost, float]] = {}
        events.subscribe(self._listen, (ServiceLost, ServiceRestored))

    async def turn(self) -> float:
        now = self._clock.monotonic()
        for lost, since in self._lost.values():
            if now - since >= _LONG:
                self._events.emit(
                    ServiceStillLost(service=lost.service, error=lost.error, outage=now - since)
                )
        return _INTERVAL

    def _listen(self, event: Event) -> None:
        if isinstance(event, ServiceLost):
            self._lost[event.service] = (event, self._clock.monotonic())
        elif isinstance(event, ServiceRestored):
            self._lost.pop(event.service, None)
