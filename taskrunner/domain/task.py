"""A task: the request that somebody handed in, complete with every default filled in."""

import base64
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from taskrunner.domain.callback import Callback
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.rules import Rules
from taskrunner.domain.task_limits import COUNT_LIMIT
from taskrunner.domain.value import Value, field

# A time without a zone is refused where it is read.
AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


class Priority(StrEnum):
    """A priority, and the queue that carries it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Validators(Value):
    """By which versions of `url` are told apart; `task_id` is whose answer said so. See `validators`."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    task_id: str


class Task(Value):
    """What to fetch and how hard to try. It never changes after it was accepted.

    `timeout` is seconds for one attempt, redirects included. `run_at` is None for "as soon as possible". From
    `expires_at` on no attempt starts any more: a task that waits then has failed.
    The field names (`priority` for `queue`) are those of the JSON form, see `envelope`. A body that is no
    text stands in `body_base64`; at most one of the two is set. `traceparent` is that of the submit.
    `signed_by` names the secret that signs what is sent; only callbacks of ours have it. `tls` names the TLS
    profile to fetch with. With `validators` only what is newer is asked for. Its record is kept beyond
    `keep_until`, whenever it was to be removed.
    What an answer means, `rules` say first, then the statuses in `fail_on` and `retry_on`, see `retry`.
    `retry_unsafe`: a request that the target may have acted on is sent again, whatever its method.
    """

    id: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    body_base64: str | None = None
    priority: Priority = Priority.MEDIUM
    timeout: Annotated[float, msgspec.Meta(gt=0)]
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=COUNT_LIMIT)]
    retry: RetryPolicy
    retry_on: tuple[int, ...] = ()
    fail_on: tuple[int, ...] = ()
    retry_unsafe: bool = False
    rules: Rules = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: AwareDatetime
    run_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    tls: str | None = None
    callback: Callback | None = None
    validators: Validators | None = None
    keep_until: AwareDatetime | None = None
    signed_by: str | None = None
    traceparent: str | None = None

    @property
    def content(self) -> bytes | None:
        """The bytes to send as the request's body; None for no body at all."""
        if self.body_base64 is not None:
            return base64.b64decode(self.body_base64)
        return None if self.body is None else self.body.encode()
