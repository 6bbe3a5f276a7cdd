"""WaitingDelivery: what was received and not yet claimed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.domain.tasks.envelope import Envelope
from taskrunner.domain.tasks.new_task import NewTask


@dataclass(slots=True, eq=False)
class WaitingDelivery:
    """A readable delivery whose attempt is not claimed yet.

    `foreign`: another program published the message, so the record under its id may be of another task.
    `host_stats` is what decides when it may start, set as it joins the backlog.
    `is_charged` once its turn has been counted.
    """

    envelope: Envelope
    delivery: Delivery
    foreign: bool = False
    is_charged: bool = False
    host_stats: HostStats = field(init=False)

    @property
    def key(self) -> tuple[str, int]:
        """What the fences tell apart: the task and the attempt."""
        return self.envelope.task.id, self.envelope.attempt

    def new_task(self, *, now: datetime, hold: float) -> NewTask:
        """The record to adopt the task with. It is due after `hold` seconds, or at the task's `run_at`."""
        task = self.envelope.task
        later = task.run_at if task.run_at and task.run_at > now else None
        return NewTask.of(task, due=later or now + timedelta(seconds=hold), attempt=self.envelope.attempt - 1)
