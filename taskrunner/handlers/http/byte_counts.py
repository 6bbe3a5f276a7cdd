"""The byte_counts: how much came over each connection, by the kernel's count and by what we were told of.

libcurl passes over what frames a chunked body (RFC 9112 section 7.1), extensions of any length included,
and tells nothing of it. Only the kernel knows how much that was.
"""

import socket
import struct

# tcp(7): `tcpi_bytes_received` stands there in Linux's struct tcp_info. Other systems have no such count.
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES_RECEIVED = struct.Struct("=128xQ")


class ByteCounts:
    """One handle's sockets, by their numbers; for one thread only."""

    def __init__(self) -> None:
        self._told: dict[int, int] = {}
        self._untold_of_closed = 0

    def begin(self) -> None:
        """A request begins."""
        self._untold_of_closed = 0

    def open(self, number: int) -> None:
        """A socket was made."""
        self._told[number] = 0

    def close(self, number: int) -> None:
        """A socket is about to be closed."""
        self._untold_of_closed = max(self._untold_of_closed, self.untold_bytes(number))
        self._told.pop(number, None)

    def tell(self, number: int, size_bytes: int) -> None:
        """So many more bytes of what came over a socket are known."""
        if number in self._told:
            self._told[number] += size_bytes

    def tell_all(self, number: int) -> None:
        """Nothing that came over a socket until now matters any more."""
        if number in self._told:
            self._told[number] = _received_bytes(number)

    def untold_bytes(self, number: int) -> int:
        """What came over a socket and was not told of; -1: over one that was closed since `begin`."""
        if number not in self._told:
            return self._untold_of_closed
        return max(0, _received_bytes(number) - self._told[number])


def _received_bytes(number: int) -> int:
    """0 where nobody counts."""
    if _TCP_INFO is None:
        return 0
    borrowed = socket.socket(fileno=number)
    try:
        info = borrowed.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RECEIVED.size)
    except OSError:
        return 0
    finally:
        borrowed.detach()
    if len(info) < _BYTES_RECEIVED.size:
        return 0
    received: int = _BYTES_RECEIVED.unpack(info)[0]
    return received
