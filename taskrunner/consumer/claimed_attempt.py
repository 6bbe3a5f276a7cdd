"""An attempt between its claim and its ack."""

from dataclasses import dataclass
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.outcome import Outcome


@dataclass(slots=True, eq=False, kw_only=True)
class ClaimedAttempt(AssignedAttempt):
    """A claimed attempt: what the worker gets, and what settling it will need."""

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    host_stats: HostStats | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.context.task.id, self.context.number


@dataclass(slots=True, eq=False)
class FinishedAttempt:
    """A running attempt with its outcome, ready to be judged and settled."""

    running: ClaimedAttempt
    outcome: Outcome
