"""A TCP proxy that breaks on request: the faults of a network, when the test chooses."""

import asyncio
import contextlib
import random
import socket
import struct
from enum import StrEnum
from typing import Self

from servers.ports import free_ports


class Mode(StrEnum):
    """What happens to bytes, on open and new connections. Held bytes move on once the mode is PASS again."""

    PASS = "pass"
    BLACK_HOLE = "black hole"  # nothing moves; a dead link, or a peer that was stopped
    HALF_OPEN = "half open"  # requests pass, answers do not
    RESET = "reset"  # whoever sends or connects is reset


class _Pair:
    """One client's connection and ours to the target."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers

    def reset(self) -> None:
        """Send RST to both sides, as a firewall or a killed peer does."""
        for writer in self.writers:
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Stands before `host:port`; listens on 127.0.0.1, on the same port for its whole life.

        async with Proxy("127.0.0.1", 5672) as proxy:
            proxy.mode = Mode.HALF_OPEN

    `delay` is seconds per chunk and direction, give or take `jitter`; `slice_bytes` cuts chunks up. They are
    for new bytes.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._mode = Mode.PASS
        self._moved = asyncio.Event()
        self._cut_after: int | None = None
        self._replies_to_drop = 0
        self.port = free_ports(1)[0]  # a port of the kernel's could be taken while nobody listens on it
        self.delay = 0.0
        self.jitter = 0.0
        self.slice_bytes = 65_536
        self.accepted = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    @property
    def open_connections(self) -> int:
        return len(self._pairs)

    async def listen(self) -> None:
        """Accept connections (again)."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, reuse_address=True, limit=1 << 20
        )

    async def refuse(self) -> None:
        """Reset open connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Reset open connections; new ones are served."""
        for pair in tuple(self._pairs):
            pair.reset()

    def cut_after(self, size_bytes: int) -> None:
        """Pass this many more bytes to the target, over all connections, then reset the one that sends."""
        self._cut_after = size_bytes

    def drop_replies(self, count: int) -> None:
        """Drop the next `count` answers, and reset the connection of each."""
        self._replies_to_drop = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._mode is Mode.RESET:
            _Pair((writer, writer)).reset()
            return
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((writer, target_writer))
        self._pairs.add(pair)
        pumps = {
            asyncio.ensure_future(self._pump(reader, target_writer, pair, is_request=True)),
            asyncio.ensure_future(self._pump(target_reader, writer, pair, is_request=False)),
        }
        self._pumps |= pumps
        for pump in pumps:
            pump.add_done_callback(lambda _: self._finish(pumps, pair))

    def _finish(self, pumps: set[asyncio.Task[None]], pair: _Pair) -> None:
        """End the other side too."""
        self._pumps -= pumps
        self._pairs.discard(pair)
        for pump in pumps:
            pump.cancel()
        for writer in pair.writers:
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair, *, is_request: bool
    ) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while chunk := await reader.read(self.slice_bytes):
                if self.delay:
                    await asyncio.sleep(self.delay + random.uniform(-self.jitter, self.jitter))
                await self._wait_passable(is_request)
                if self._mode is Mode.RESET or (not is_request and self._replies_to_drop > 0):
                    self._replies_to_drop -= not is_request and self._mode is not Mode.RESET
                    pair.reset()
                    return
                if is_request and self._cut_after is not None:
                    chunk, self._cut_after = chunk[: self._cut_after], self._cut_after - len(chunk)
                    if self._cut_after <= 0:
                        self._cut_after = None
                        writer.write(chunk)
                        await writer.drain()
                        pair.reset()
                        return
                writer.write(chunk)
                await writer.drain()

    async def _wait_passable(self, is_request: bool) -> None:
        while self._mode is Mode.BLACK_HOLE or (self._mode is Mode.HALF_OPEN and not is_request):
            await self._moved.wait()
