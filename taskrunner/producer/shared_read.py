"""A shared read: reads something from the store at intervals, and again when somebody misses something."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError, StoreUnavailable

# Reads out of turn are at least this many seconds apart, so that clients that guess names have to wait.
_LOOK_AGAIN = 0.2

# Called after a change that this process has made.
Refresh = Callable[[], Awaitable[None]]


async def no_refresh() -> None:
    """For a process in which nothing has to follow a change."""


class SharedRead:
    """One read at a time: an older one that ended last would bring back what a newer one saw removed."""

    def __init__(self, what: str, read: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._what = what
        self._read = read
        self._clock = clock
        # When the last read that has ended began, and why it failed.
        self._read_at = -_LOOK_AGAIN
        self._failure: OutsideError | None = None
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        """Read now."""
        async with self._reading:
            await self._run()

    async def refresh(self) -> None:
        """Read a change of this process. If that fails, the next read finds it."""
        with suppress(OutsideError):
            await self.run()

    async def run_again(self) -> None:
        """Wait for a read that begins after this call, for us or for others. Raises `StoreUnavailable`."""
        asked_at = self._clock.monotonic()
        async with self._reading:
            if self._read_at <= asked_at:
                await asyncio.sleep(max(0.0, self._read_at + _LOOK_AGAIN - asked_at))
                await self._run()
            elif self._failure is not None:
                # Others have asked meanwhile, in vain. A 401 would tell the client that what it has is bad.
                raise StoreUnavailable(f"{self._what} cannot be read: {self._failure}")

    async def _run(self) -> None:
        began_at = self._clock.monotonic()
        try:
            await self._read()
        except OutsideError as exc:
            self._read_at, self._failure = began_at, exc
            raise
        self._read_at, self._failure = began_at, None
