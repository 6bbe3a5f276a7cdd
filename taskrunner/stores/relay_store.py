"""The part of a store that the relay and the cleaner ask: due tasks, deadlines and retention."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.stores.values import AttemptRef, Due

# A key whose task has ended costs a few bytes, and is nobody's in spite of them.
DEDUP_AGAIN = timedelta(minutes=1)
# The longer a task outlives its ttl, the more seldom its end is looked for.
DEDUP_SELDOM = timedelta(hours=1)


class RelayStore(ABC):
    """Hands out tasks whose time has come."""

    @abstractmethod
    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        """Up to `limit` due tasks, the longest overdue first; each is due again after `hold` seconds.

        The hold keeps other relays away. Fewer tasks, though more are due, when these alone take several MiB
        or when other relays hold them.
        """

    @abstractmethod
    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        """Note that these attempts were published; at `due` the relay suspects that the broker lost them.

        Has no effect on a task that is not scheduled, retrying or queued before that attempt, nor on one
        snoozed since: its delivery has overtaken this call.
        """

    @abstractmethod
    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        """Make queued tasks due at `due`, if `refs` names their next attempt."""

    @abstractmethod
    async def past_deadline(self, *, now: datetime, limit: int) -> Sequence[Due]:
        """Up to `limit` waiting tasks whose deadline has passed, the earliest deadlines first.

        Fewer, though there are more, when these alone take several MiB.
        """

    @abstractmethod
    async def prune(self, *, now: datetime, limit: int) -> int:
        """Remove what has outlived its retention from every index; answers how many.

        At most `limit` tasks and messages, and as many dedup keys that no task holds any more: a task without
        a ttl holds its key until it ends, which is looked for after `DEDUP_AGAIN`,
        then after as long as the ttl is over, and at least every `DEDUP_SELDOM`.
        """
