"""ClaimedAttempt: an attempt between its claim and its ack."""

from dataclasses import dataclass
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.outcome import Outcome


@dataclass(slots=True, eq=False, kw_only=True)
class ClaimedAttempt(AssignedAttempt):
    """What the workers get, and what settling the attempt needs."""

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    host_stats: HostStats | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.task.id, self.number


@dataclass(slots=True, eq=False)
class FinishedAttempt:
    """An attempt with its outcome, ready to be settled."""

    attempt: ClaimedAttempt
    outcome: Outcome
