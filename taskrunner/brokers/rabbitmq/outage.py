"""Tells of an outage once when it begins and once when it is over, over all connections."""

from collections.abc import Callable

from taskrunner.domain.events import Events, ServiceLost, ServiceRestored

SERVICE = "rabbitmq"


class Outage:
    """Silent until `note` is first told that something is down; then waits until all is up."""

    def __init__(self, events: Events, clock: Callable[[], float]) -> None:
        self._events = events
        self._clock = clock
        self._since: float | None = None

    def note(self, error: str | None) -> None:
        """How things stand: None when everything is up."""
        if error is not None and self._since is None:
            self._since = self._clock()
            self._events.emit(ServiceLost(service=SERVICE, error=error))
        elif error is None and self._since is not None:
            outage, self._since = self._clock() - self._since, None
            self._events.emit(ServiceRestored(service=SERVICE, outage=outage))
