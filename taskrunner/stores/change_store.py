"""The part of a store that the task feed asks: a log of changes, kept while somebody reads it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.codec import Decoder
from taskrunner.domain.tasks.change import ChangeCursor, ChangeId, ChangeLog, Changes

# How many changes the log holds; older ones are removed from it.
MOST_CHANGES = 50_000
SECRET_BYTES = 32

decode_cursor = Decoder(ChangeCursor).decode


class ChangeStore(ABC):
    """Logs changes for all processes together. While nobody wants the log, changes cost nothing more."""

    @abstractmethod
    async def log_changes(self, *, now: datetime, until: datetime) -> ChangeLog:
        """Log every change from now on, and at least `until` then. Answers where the log ends now.

        A change that is not in the log after this place is in every record that is read from now on.
        """

    @abstractmethod
    async def changes(self, after: ChangeId, *, limit: int) -> Changes:
        """Up to `limit` changes after that place, the earliest first: each once, and none is ever inserted
        before one that was read.

        `lost` if the log was not kept since then, or has dropped what followed that place.
        """

    @abstractmethod
    async def prune_changes(self, *, now: datetime) -> None:
        """Remove a log that nobody wants any more, and what is more than `MOST_CHANGES`."""

    @abstractmethod
    async def change_cursors(self) -> Sequence[ChangeCursor]:
        """All cursors, by name."""

    @abstractmethod
    async def save_change_cursor(self, cursor: ChangeCursor, *, expected: ChangeCursor | None) -> bool:
        """Write a cursor in place of `expected` (None: there is none of this name).

        False, and nothing written, if another stands there.
        """

    @abstractmethod
    async def delete_change_cursor(self, expected: ChangeCursor) -> bool:
        """Remove a cursor. False if another has its name; True if it is gone already."""
