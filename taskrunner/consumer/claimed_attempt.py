"""ClaimedAttempt: an attempt between its claim and its ack."""

from dataclasses import dataclass, field
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.outcome import Outcome


@dataclass(slots=True, eq=False, kw_only=True)
class ClaimedAttempt(AssignedAttempt):
    """What the workers get, and what settling the attempt needs. `outcome` is set when the attempt ends."""

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    host_stats: HostStats | None = None
    outcome: Outcome = field(init=False)

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.task.id, self.number
