"""Dedup: at most one task of a key, while it is alive and until a time."""

from datetime import datetime, timedelta
from enum import StrEnum

from taskrunner.domain.value import Value


class DedupMode(StrEnum):
    """What becomes of a task whose key another task holds.

    - `RETURN`: the answer is the task that holds the key.
    - `REJECT`: it is refused.
    - `REPLACE`: it takes the place of the holder, which is cancelled if it still waits.
    """

    RETURN = "return"
    REJECT = "reject"
    REPLACE = "replace"


class Dedup(Value):
    """A task holds its `key` while it is alive and, unless it was cancelled or deleted, for `ttl` seconds.

    The seconds count from its acceptance.
    """

    key: str
    ttl: float | None = None
    mode: DedupMode = DedupMode.RETURN

    def held_until(self, created_at: datetime) -> datetime:
        """The end of `ttl`."""
        return created_at + timedelta(seconds=self.ttl or 0.0)
