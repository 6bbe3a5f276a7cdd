"""Adoption: the record that is made from an envelope whose task the store does not know."""

from datetime import datetime, timedelta

from taskrunner.consumer.backlog import WaitingDelivery
from taskrunner.stores.base import NewTask


def record_of(waiting: WaitingDelivery, *, now: datetime, hold: float) -> NewTask:
    """The record of a delivered task; the relay looks at it after `hold` seconds, or when it is to run."""
    task = waiting.envelope.task
    later = task.run_at if task.run_at and task.run_at > now else None
    return NewTask.of(
        task,
        due=later or now + timedelta(seconds=hold),
        attempt=waiting.envelope.attempt - 1,
    )
