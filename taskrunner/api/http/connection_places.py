"""The places for connections: so many may be open, and the one that has been idle longest gives way.

A connection has its place from the moment it is accepted, before the TLS handshake. Some places are kept for
probes.
"""

import asyncio
from contextlib import suppress
from typing import Protocol

from taskrunner.api.http.problems import Problem, http_problem

# Connections beyond the limit that may still ask `/livez` and `/readyz`.
_PROBE_PLACES = 20
TOO_MANY = http_problem(503, "too many connections", {"Retry-After": "1"})


class Placed(Protocol):
    """A connection; `only_probes` if it came when all others were busy."""

    only_probes: bool

    def force_close(self) -> None:
        """Close now, be it in the middle of a handshake."""

    def end_with(self, problem: Problem) -> None:
        """Tell why, and close."""


class ConnectionPlaces:
    """Counts connections, and closes one that is idle where there is no place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Placed] = set()
        # Those without a request in progress, the one that has been idle longest first. Who begins and ends
        # requests keeps it: each request passes there.
        self.idle: dict[Placed, None] = {}
        self._all_closed = asyncio.Event()

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._open)

    @property
    def are_taken(self) -> bool:
        """Whether there are more connections than places."""
        return len(self._open) > self._limit

    def take(self, connection: Placed) -> None:
        """Give a new connection a place; if all are busy, only probes get an answer. Safe to repeat."""
        if connection in self._open:
            return
        self._open.add(connection)
        if self.are_taken:
            self._make_room_for(connection)
        self.idle[connection] = None

    def give_back(self, connection: Placed) -> None:
        """The connection is closed. Safe to repeat."""
        self._open.discard(connection)
        self.idle.pop(connection, None)
        if not self._open:
            self._all_closed.set()

    async def wait_closed(self, seconds: float) -> None:
        """Wait up to `seconds` until all are closed."""
        if not self._open:
            return
        self._all_closed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()

    def _make_room_for(self, connection: Placed) -> None:
        idlest = next(iter(self.idle), None)
        if idlest is not None:
            del self.idle[idlest]
            idlest.force_close()
        elif len(self._open) <= self._limit + _PROBE_PLACES:
            connection.only_probes = True
        else:
            connection.end_with(TOO_MANY)
