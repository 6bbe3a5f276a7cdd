"""WaitingDelivery with a deadline for what a process will do some time."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_INTERVAL = 0.05


def wait_for(
    look: Callable[[], Found], what: str, *, within: float = 60.0, interval: float = _INTERVAL
) -> Found:
    """Poll until `look` answers something true, and answer that; fails after `within` seconds."""
    found = last_look(look, within=within, interval=interval)
    if not found:
        raise AssertionError(f"not within {within:g} s: {what}; last seen: {found!r}")
    return found


def last_look(look: Callable[[], Found], *, within: float, interval: float = _INTERVAL) -> Found:
    """Poll until `look` answers something true, or for `within` seconds; answers what it did at last."""
    deadline = time.monotonic() + within
    while not (found := look()) and time.monotonic() <= deadline:
        time.sleep(interval)
    return found
