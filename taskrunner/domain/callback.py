"""A callback: the URL that is told of a task's end, and how hard to try."""

from typing import Annotated

import msgspec

from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.task_limits import COUNT_LIMIT, SecretHosts
from taskrunner.domain.url import Url
from taskrunner.domain.url_pattern import covers
from taskrunner.domain.value import Value

# In the order of the status table.
EVENTS = tuple(status for status in Status if status in TERMINAL)


class CallbackSecret(Value):
    """`keys` sign callbacks to `hosts` (patterns of `url_pattern`) and to no others.

    Two keys while one replaces the other: both sign.
    """

    keys: tuple[str, ...]
    hosts: tuple[str, ...]


def check_secret(name: str, url: Url, known: SecretHosts) -> None:
    """Raises `ValueError` with the reason if a callback to `url` may not be signed with this secret."""
    if name not in known:
        raise ValueError(f"no secret is configured by the name {shown(name)}{did_you_mean(name, known)}")
    if not any(covers(pattern, url) for pattern in known[name]):
        raise ValueError(f"names a secret that is not for the host {shown(url.host)}, port {url.port}")


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
