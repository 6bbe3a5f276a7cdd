"""The connections to Redis: as many as are needed at once, and not more for long."""

import asyncio
from typing import Any, cast

from redis.asyncio.connection import AbstractConnection

from taskrunner.stores.redis.connections import SPARE_FOR, Connections
from tests.tools.clock import ManualClock


class Wire:
    """The driver's connection without a server: it answers once `answered` is set."""

    def __init__(self, answered: asyncio.Event) -> None:
        self.is_open = True
        self._answered = answered

    async def send_command(self, *_: Any) -> None:
        """Nobody hears it."""

    async def read_response(self) -> str:
        await self._answered.wait()
        return "OK"

    async def disconnect(self, nowait: bool = False) -> None:
        self.is_open = False


async def test_what_a_busy_moment_opened_is_closed_again() -> None:
    """One by one with the calls that come later, down to what those need."""
    clock, answered, wires = ManualClock(), asyncio.Event(), list[Wire]()

    def make() -> AbstractConnection:
        wires.append(Wire(answered))
        return cast(AbstractConnection, wires[-1])

    connections = Connections(make, clock.monotonic)
    busy = [asyncio.create_task(connections.send("GET")) for _ in range(5)]
    await asyncio.sleep(0)
    answered.set()
    await asyncio.gather(*busy)
    clock.advance(SPARE_FOR)
    await connections.send("GET")
    assert [wire.is_open for wire in wires] == [True] * 5
    clock.advance(1)
    for _ in range(9):
        await connections.send("GET")
    assert [wire.is_open for wire in wires].count(True) == 1
    assert await connections.send("GET") == "OK"
    assert len(wires) == 5
