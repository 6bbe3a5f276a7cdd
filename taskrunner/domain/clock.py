"""The clock: the only source of time. It is passed as an argument, so that tests can move it."""

import time
from datetime import UTC, datetime
from typing import Protocol

# Seconds by which the clocks of one fleet may differ. A time further ahead is from a wrong clock.
SKEW = 10.0


class Clock(Protocol):
    """Wall clock time for users and stores, monotonic time for durations."""

    def now(self) -> datetime:
        """Aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; it never goes back."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00Z, as stores keep them."""
    # Rounded, not cut: 1.001 s is 1000.9999… ms as a float.
    return round(moment.timestamp() * 1000)


def from_ms(epoch_ms: float) -> datetime:
    """The aware UTC time of `epoch_ms` milliseconds since 1970."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
