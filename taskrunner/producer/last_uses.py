"""Last uses: when keys and sessions were last used, noted at once and written every half minute."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError

# Seconds between two writes.
_INTERVAL = 30.0


class LastUses:
    """`write` writes what was noted since it was last called; what it cannot write, it gets again."""

    def __init__(self, write: Callable[[Mapping[str, datetime]], Awaitable[None]], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._noted: dict[str, datetime] = {}
        self._written_at = -_INTERVAL

    def note(self, name: str) -> None:
        self._noted[name] = self._clock.now()

    def of(self, name: str) -> datetime | None:
        """The last use that is not written yet."""
        return self._noted.get(name)

    async def write_if_due(self) -> None:
        now = self._clock.monotonic()
        if not self._noted or now - self._written_at < _INTERVAL:
            return
        self._written_at = now
        uses, self._noted = self._noted, {}
        try:
            await self._write(uses)
        except OutsideError:
            self._noted = uses | self._noted
            raise
