"""ServiceManager: tells systemd how this process is, by the protocol of sd_notify(3)."""

import socket
from collections.abc import Mapping

from taskrunner.domain.events import Events
from taskrunner.runtime.service import FAULT_PAUSE, Service

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"

# systemd reads its socket at once. A full one blocks, as in sd_notify, but not for good.
_SEND_TIMEOUT = 1.0
# Without a watchdog there is nothing to do between two states.
_NO_WATCHDOG = 3600.0


class ServiceManager(Service):
    """Says nothing unless the environment has `NOTIFY_SOCKET`, as under `Type=notify`.

    The pings for the watchdog are sent by the event loop itself: they end when it hangs, and systemd restarts
    the process.
    """

    def __init__(self, environ: Mapping[str, str], pid: int, events: Events) -> None:
        super().__init__("service manager", events)
        self._address = _address(environ)
        self._interval = _ping_interval(environ, pid)
        self._states: list[str] = []
        self._is_unheard = False

    async def start(self) -> None:
        if self._address:
            await super().start()

    def tell(self, state: str) -> None:
        """Send a state at once. If it cannot be sent, it is sent again until it can; an event tells once."""
        if self._address:
            self._states.append(state)
            self.wake()

    async def turn(self) -> float:
        states = [*self._states] if self._interval is None else [*self._states, ALIVE]
        if states:
            try:
                self._send("\n".join(states))
            except OSError:
                if self._is_unheard:
                    return FAULT_PAUSE
                self._is_unheard = True
                raise
        self._states.clear()
        self._is_unheard = False
        return _NO_WATCHDOG if self._interval is None else self._interval

    def _send(self, message: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_TIMEOUT)
            sender.sendto(message.encode(), self._address)


def _address(environ: Mapping[str, str]) -> str:
    """A path, or a name in the abstract namespace, which begins with a zero byte (unix(7))."""
    address = environ.get("NOTIFY_SOCKET", "")
    return "\0" + address[1:] if address.startswith("@") else address


def _ping_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Half of the time that the watchdog allows, as sd_watchdog_enabled(3) recommends; None without one.

    `WATCHDOG_PID` names the process that it watches: a child inherits the variables, but not the duty.
    """
    allowed = environ.get("WATCHDOG_USEC", "")
    if not allowed.isdecimal() or int(allowed) == 0 or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(allowed) / 1e6 / 2
