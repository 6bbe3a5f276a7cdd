"""Counts the bytes of each connection that libcurl read but did not report.

libcurl drops what frames a chunked body (RFC 9112 section 7.1), chunk extensions of any length included,
without reporting it. Only the kernel knows how much that was.
"""

import socket
import struct

# tcp(7): `tcpi_bytes_received` has this offset in Linux's struct tcp_info. Other systems have no such count.
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES_RECEIVED = struct.Struct("=128xQ")


class ByteCounts:
    """The sockets of one handle, by their numbers. For one thread only."""

    def __init__(self) -> None:
        self._reported: dict[int, int] = {}
        self._unreported_of_closed = 0

    def begin_request(self) -> None:
        self._unreported_of_closed = 0

    def add_socket(self, number: int) -> None:
        self._reported[number] = 0

    def remove_socket(self, number: int) -> None:
        """Call before the socket is closed."""
        self._unreported_of_closed = max(self._unreported_of_closed, self.unreported_bytes(number))
        self._reported.pop(number, None)

    def report(self, number: int, size_bytes: int) -> None:
        """Count `size_bytes` more of a socket as reported."""
        if number in self._reported:
            self._reported[number] += size_bytes

    def report_everything(self, number: int) -> None:
        """Count as reported whatever has arrived on a socket until now."""
        if number in self._reported:
            self._reported[number] = _received_bytes(number)

    def unreported_bytes(self, number: int) -> int:
        """The bytes that arrived unreported; for -1, those of a socket removed since `begin_request`."""
        if number not in self._reported:
            return self._unreported_of_closed
        return max(0, _received_bytes(number) - self._reported[number])


def _received_bytes(number: int) -> int:
    """0 on systems without the count."""
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
