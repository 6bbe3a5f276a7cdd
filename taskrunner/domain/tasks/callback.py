"""A callback: the URL that receives the end of a task, and how often to try."""

from typing import Annotated

import msgspec

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.tasks.task_limits import COUNT_LIMIT
from taskrunner.domain.value import Value

# In the order of the status table.
EVENTS = tuple(status for status in Status if status in TERMINAL)


class CallbackDefaults(Value):
    """Settings of every callback; `timeout` is seconds for one attempt.

    The delays are the example of Standard Webhooks 1.0: 28 hours in all.
    """

    timeout: float = 20.0
    max_attempts: int = 8
    retry: RetryPolicy = RetryPolicy(delays=(5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0))


class Callback(Value):
    """`url` gets a POST when the task ends in one of `events`, signed with the secret named `secret`, if any.

    A task of its own sends the POST; `timeout`, `max_attempts`, `retry` and `tls` are for that task.
    """

    url: str
    secret: str | None = None
    events: tuple[Status, ...] = EVENTS
    timeout: Annotated[float, msgspec.Meta(gt=0)]
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=COUNT_LIMIT)]
    retry: RetryPolicy
    tls: str | None = None
