"""InFlight owns the attempts that this consumer has claimed and not yet settled, and counts them per host."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.worker_threads import AssignedAttempt
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.progress import Progress


@dataclass(slots=True, eq=False, kw_only=True)
class ClaimedAttempt(AssignedAttempt):
    """An attempt between its claim and its acknowledgement. `outcome` is set when it ends.

    `running_since` is when the host watch first saw it under way. `written` is the progress that the store
    has, since `written_at` on the monotonic clock.
    """

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    host_stats: HostStats
    running_since: datetime | None = None
    written: Progress | None = None
    written_at: float = 0.0
    outcome: Outcome = field(init=False)

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.task.id, self.number


class InFlight:
    """The claimer adds an attempt, the settler removes it, everybody else only asks."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, int], ClaimedAttempt] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[ClaimedAttempt]:
        return iter(self._attempts.values())

    def has(self, key: tuple[str, int]) -> bool:
        """Whether this attempt of this task is in flight here."""
        return key in self._attempts

    def add(self, attempt: ClaimedAttempt) -> None:
        self._attempts[attempt.key] = attempt
        stats = attempt.host_stats
        stats.in_flight += 1
        stats.under_way += 1
        if stats.reserved:
            stats.reserved -= 1

    def remove(self, attempt: ClaimedAttempt) -> bool:
        """Returns False for an attempt that was removed before."""
        if self._attempts.pop(attempt.key, None) is None:
            return False
        attempt.host_stats.in_flight -= 1
        return True

    def with_news(self, moment: float) -> list[ClaimedAttempt]:
        """Attempts whose progress the store does not have, and that had none written since `moment`."""
        return [each for each in self if each.progress is not each.written and each.written_at < moment]

    def leases_ending_before(self, moment: float) -> list[ClaimedAttempt]:
        """Attempts whose lease ends before a monotonic time, except those that are cancelled already."""
        return [attempt for attempt in self if attempt.lease_ends < moment and not attempt.cancelled]
