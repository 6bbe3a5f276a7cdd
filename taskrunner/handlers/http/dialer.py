"""Makes and closes libcurl's sockets, and has the SSRF guard check the address of every dial."""

import socket
from typing import Any

import pycurl

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.handlers.http import shortage
from taskrunner.handlers.http.byte_counts import ByteCounts
from taskrunner.handlers.http.network import LookupTimedOut, Network
from taskrunner.handlers.http.shortage import Shortage
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.worker_sockets import WorkerSockets

_NO_SOCKET: int = pycurl.SOCKET_BAD
# For looking up the host of one of our own services, whose answer is nearly always cached.
_LOOKUP_TIMEOUT = 1.0


class Dialer:
    """The socket callbacks of one libcurl handle.

    Since `begin_request`, `refused` says whether the guard refused an address, `dialled` is the last
    address (`host:port`) that it allowed, and `shortage` is what this machine lacked for the last dial.
    """

    def __init__(self, guard: SsrfGuard, network: Network, sockets: WorkerSockets) -> None:
        self.refused = False
        self.dialled: str | None = None
        self.shortage: Shortage | None = None
        self.byte_counts = ByteCounts()
        self._guard = guard
        self._network = network
        self._sockets = sockets
        self._plan: DialPlan | None = None
        self._opened: socket.socket | None = None

    def install(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._on_open)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_opened)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._on_close)

    def begin_request(self, plan: DialPlan) -> None:
        """Every dial from now on belongs to `plan`."""
        self.refused = False
        self.dialled = None
        self.shortage = None
        self._plan = plan
        self.byte_counts.begin_request()

    def close(self) -> None:
        """Close a socket that libcurl opened and never took over."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _on_open(self, purpose: int, address: Any) -> socket.socket | int:
        """A socket for `address`, which libcurl is about to dial; none if that is refused or cancelled."""
        self.close()
        if self._sockets.cancelled:
            return _NO_SOCKET
        self.shortage = None
        try:
            if not self._is_allowed(address.addr):
                self.refused = True
                return _NO_SOCKET
        except Shortage as exc:
            self.shortage = exc
            return _NO_SOCKET
        self.dialled = shown_place(address.addr[:2])
        try:
            self._opened = self._network.open_socket(address)
        except OSError as exc:
            self.shortage = shortage.of_exception(exc)
            return _NO_SOCKET
        return self._opened

    def _is_allowed(self, socket_address: Any) -> bool:
        """A doubt is a no: libcurl would take an exception for a failed dial."""
        try:
            return self._plan is not None and self._guard.allows_dial(
                self._plan, socket_address, _LOOKUP_TIMEOUT
            )
        except LookupTimedOut:
            return False

    def _on_opened(self, number: int, purpose: int) -> int:
        """libcurl works on a copy of our socket, `number`, so ours can be closed."""
        self._sockets.add(number)
        self.byte_counts.add_socket(number)
        self.close()
        return self._network.sockopt_result

    def _on_close(self, number: int) -> int:
        self.byte_counts.remove_socket(number)
        self._sockets.close(number)
        return 0
