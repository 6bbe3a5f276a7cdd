"""Claimed attempts for tests of what runs them."""

import json
from datetime import UTC, datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace


def make_python(executor: str, data: object = None, *, name: str = "", timeout: float = 30) -> ClaimedAttempt:
    """The first attempt of a task for a Python handler."""
    claimed = make_claimed(name or executor, timeout=timeout)
    body = json.dumps(data)
    claimed.task = replace(claimed.task, executor=executor, url=None, body=body)
    return claimed


def make_claimed(name: str, *, url: str = "http://localhost/", timeout: float = 30) -> ClaimedAttempt:
    """The first attempt of a task of that name."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    task = Task(id=name, url=url, timeout=timeout, max_attempts=1, retry=RetryPolicy(), created_at=now)
    delivery = Delivery(b"", "medium", redelivered=False, message_id=None, tag=1, epoch=1)
    return ClaimedAttempt(
        task, 1, delivery=delivery, attempt_limit=1, claimed_at=now, host_stats=HostStats("localhost", None)
    )
