"""The dialer: makes and closes libcurl's sockets, and so sees the resolved address of every dial."""

import socket
from typing import Any

import pycurl

from taskrunner.handlers.http.byte_counts import ByteCounts
from taskrunner.handlers.http.network import LookupTimedOut, Network
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.worker_sockets import WorkerSockets

_NO_SOCKET: int = pycurl.SOCKET_BAD
# For the look-up of an endpoint of ours, which is nearly always kept from before.
_PATIENCE = 1.0


class Dialer:
    """The callbacks of one handle. `refused`: since `begin` an address was not allowed.

    `dialled` is the last since then that was, `host:port`.
    """

    def __init__(self, guard: SsrfGuard, network: Network, line: WorkerSockets) -> None:
        self.refused = False
        self.dialled: str | None = None
        self.byte_counts = ByteCounts()
        self._guard = guard
        self._network = network
        self._line = line
        self._route: DialPlan | None = None
        self._made: socket.socket | None = None

    def install(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._make)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._take_over)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._close)

    def begin(self, route: DialPlan) -> None:
        """All settings from now on are for `route`."""
        self.refused = False
        self.dialled = None
        self._route = route
        self.byte_counts.begin()

    def close(self) -> None:
        """Let go of a socket that libcurl did not come back for."""
        if self._made is not None:
            self._made.close()
            self._made = None

    def _make(self, purpose: int, address: Any) -> socket.socket | int:
        """A socket for `address`, which is about to be dialled; none if that is refused or unwanted."""
        self.close()
        if self._line.cancelled:
            return _NO_SOCKET
        if not self._is_allowed(address.addr):
            self.refused = True
            return _NO_SOCKET
        host, port = address.addr[:2]
        self.dialled = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._made = self._network.open_socket(address)
        except OSError:
            return _NO_SOCKET
        return self._made

    def _is_allowed(self, place: Any) -> bool:
        """A doubt is a no: an exception here would end in libcurl, which takes it for a failed dial."""
        try:
            return self._route is not None and self._guard.lets_dial(self._route, place, _PATIENCE)
        except LookupTimedOut:
            return False

    def _take_over(self, number: int, purpose: int) -> int:
        """libcurl works on a copy of the socket that we made, `number`; ours is of no more use."""
        self._line.add(number)
        self.byte_counts.open(number)
        self.close()
        return self._network.next_step

    def _close(self, number: int) -> int:
        self.byte_counts.close(number)
        self._line.close_socket(number)
        return 0
