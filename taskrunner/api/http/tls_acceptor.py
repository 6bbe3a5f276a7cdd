"""TLS for clients: each connection is known, and has its place, before its handshake.

asyncio's own server tells of a connection when the handshake is done, and never of one that fails.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from taskrunner.api.http.connection import ClientConnection, ConnectionServer
from taskrunner.runtime.cancel_and_wait import cancel_and_wait


class TlsAcceptor:
    """A protocol factory for `create_server`."""

    def __init__(self, server: ConnectionServer, context: ssl.SSLContext, timeout: float) -> None:
        self._server = server
        self._context = context
        self._timeout = timeout
        self._handshakes: set[asyncio.Task[None]] = set()
        # Sockets of handshakes that have not begun; from then on the transport closes its socket.
        self._accepted: dict[ClientConnection, socket.socket] = {}

    def __call__(self) -> asyncio.Protocol:
        return _Accepted(self._begin)

    async def stop(self) -> None:
        """End the handshakes that are not done."""
        await cancel_and_wait(*self._handshakes)

    def _begin(self, accepted: socket.socket) -> None:
        connection = self._server()
        self._accepted[connection] = accepted
        handshake = asyncio.create_task(self._shake_hands(connection), name="TLS handshake")
        connection.handshake = handshake
        self._handshakes.add(handshake)
        handshake.add_done_callback(lambda _: self._end(connection, handshake))
        self._server.accepted(connection)

    async def _shake_hands(self, connection: ClientConnection) -> None:
        """Calls `connection_made` of the connection before it returns; a failure is the client's affair."""
        accepted = self._accepted.pop(connection)
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=self._timeout
            )

    def _end(self, connection: ClientConnection, handshake: "asyncio.Task[None]") -> None:
        self._handshakes.discard(handshake)
        accepted = self._accepted.pop(connection, None)
        if accepted is not None:
            accepted.close()
        self._server.handshake_ended(connection)


class _Accepted(asyncio.Protocol):
    """Takes the socket away from the transport that a server without TLS makes of it."""

    def __init__(self, begin: Callable[[socket.socket], None]) -> None:
        self._begin = begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = None
        # Without a free descriptor, the client is turned away.
        with suppress(OSError):
            accepted = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        # uvloop's transports are no subclass.
        cast(asyncio.Transport, transport).abort()
        if accepted is not None:
            self._begin(accepted)
