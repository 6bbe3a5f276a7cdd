"""The dialer: makes and closes libcurl's sockets, and so sees the resolved address of every dial.

It is the place of the address guard: a string can name one host to two parsers, an address cannot.
"""

import socket
from typing import Any

import pycurl

from taskrunner.handlers.http.line import Line

_NO_SOCKET: int = pycurl.SOCKET_BAD
_GO_ON: int = pycurl.SOCKOPT_OK


class Dialer:
    """The callbacks of one handle. `refused`: since it was last set to False an address was not allowed."""

    def __init__(self, line: Line) -> None:
        self.refused = False
        self._line = line
        self._made: socket.socket | None = None

    def install(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._make)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._take_over)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._close)

    def close(self) -> None:
        """Let go of a socket that libcurl did not come back for."""
        if self._made is not None:
            self._made.close()
            self._made = None

    def _make(self, purpose: int, address: Any) -> socket.socket | int:
        """A socket for `address`, which is about to be dialled; none once the attempt is cancelled."""
        self.close()
        if self._line.cancelled:
            return _NO_SOCKET
        try:
            self._made = socket.socket(address.family, address.socktype, address.protocol)
        except OSError:
            return _NO_SOCKET
        return self._made

    def _take_over(self, number: int, purpose: int) -> int:
        """libcurl works on a copy of the socket that we made, `number`; ours is of no more use."""
        self._line.add(number)
        self.close()
        return _GO_ON

    def _close(self, number: int) -> int:
        self._line.close_socket(number)
        return 0
