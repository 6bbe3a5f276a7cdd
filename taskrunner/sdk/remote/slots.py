"""Slots: how many further tasks of an executor may run here."""

import asyncio


class Slots:
    """Used on one event loop."""

    def __init__(self, count: int) -> None:
        self.free = count
        self._some_free = asyncio.Event()
        self._some_free.set()

    async def wait(self) -> None:
        """Until one is free."""
        await self._some_free.wait()

    def take(self) -> None:
        self.free -= 1
        if self.free <= 0:
            self._some_free.clear()

    def give(self) -> None:
        self.free += 1
        self._some_free.set()
