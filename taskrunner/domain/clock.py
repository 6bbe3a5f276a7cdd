"""The source of time. Everything else is handed one, so that tests can move it."""

import time
from datetime import UTC, datetime
from typing import Protocol

# Seconds by which the clocks of one fleet may differ. What is further ahead is from a clock that is wrong.
SKEW = 10.0


class Clock(Protocol):
    """Two readings of time: one to tell people and stores, one to measure durations with."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...


class SystemClock:
    """The machine's own clock."""

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
