"""A task: an accepted request, with every default filled in."""

import base64
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from taskrunner.domain.queues.queue import DEFAULT_QUEUE
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.retries.rules import Rules, RulesUnreadable
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.dedup import Dedup
from taskrunner.domain.tasks.task_limits import COUNT_LIMIT
from taskrunner.domain.value import Value, field

# Decoding refuses a time without a zone.
AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


class Priority(StrEnum):
    """Picks one of the three default queues, which have the same names."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Redirects(StrEnum):
    """Which redirects are followed: each value adds to the one before it.

    - `NONE`: a redirect is the answer.
    - `KEEP`: those that keep method and body. All of a callback, which a GET would not deliver.
    - `FOLLOW`: also a 303, by a bare GET (RFC 9110 15.4.4): the request was served.
    - `REWRITE`: also a 301 or 302 of a POST, by a bare GET. RFC 9110 15.4.2 and 15.4.3 allow that "for
      historical reasons"; the target at the Location never sees what was posted.
    """

    NONE = "none"
    KEEP = "keep"
    FOLLOW = "follow"
    REWRITE = "rewrite"


class Validators(Value):
    """The version of `url` that the answer to task `task_id` had; see `validators`."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    task_id: str


class Task(Value):
    """What to run, and how often to try. A task never changes once it is accepted.

    This is the only list of a task's fields: `codec` derives the JSON of stores and envelopes from it, and
    `TaskDraft.to_task` copies the fields of the same name.

    - `executor`: the name of the executor that runs it; None for the built-in HTTP.
    - `url`: None for a task that is no request, since its executor is of another kind.
    - `timeout`: seconds for one attempt, redirects included.
    - `run_at`: None for as soon as possible.
    - `expires_at`: the deadline. No attempt starts after it; a task that is still waiting then fails.
    - `dedup`: at most one task of a key.
    - `fairness_key`: tasks with the same one share what they have of the workers; None for its host's.
    - `queue`: the name of the queue that it waits in.
    - `body`, `body_base64`: at most one is set; `body_base64` holds a body that is not text. With an
      `executor`, `body` is the task's data: JSON as it was spelt.
    - `rules`, then `fail_on` and `retry_on`: what an answer means; see `retry`.
    - `rules_unreadable`: what happens if a rule needs a document that cannot be read.
    - `retry_unsafe`: repeat a request that the target may have acted on, whatever its method.
    - `redirects`: which redirects are followed; another is the answer.
    - `tls`: the name of the TLS profile to fetch with.
    - `auth`: the name of the credential that each attempt sends.
    - `validators`: fetch only if the target has a newer version.
    - `keep_until`: the record is kept at least until then.
    - `retention`: the seconds for which its record is kept once it has ended; None for those of its status.
    - `is_dead_letter`: whether it is one if it fails.
    - `signed_by`: the name of the secret that signs the request; only our own callbacks have one.
    - `created_by`: the API key that it was submitted with; None for the command line, and without keys.
    - `traceparent`: the trace context of the request that submitted the task.
    """

    id: str
    executor: str | None = None
    url: str | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    body_base64: str | None = None
    queue: str = DEFAULT_QUEUE
    timeout: Annotated[float, msgspec.Meta(gt=0)]
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=COUNT_LIMIT)]
    retry: RetryPolicy
    retry_on: tuple[int, ...] = ()
    fail_on: tuple[int, ...] = ()
    retry_unsafe: bool = False
    rules: Rules = ()
    rules_unreadable: RulesUnreadable = RulesUnreadable.RETRY
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: AwareDatetime
    redirects: Redirects = Redirects.FOLLOW
    run_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    dedup: Dedup | None = None
    fairness_key: str | None = None
    tls: str | None = None
    auth: str | None = None
    callback: Callback | None = None
    validators: Validators | None = None
    keep_until: AwareDatetime | None = None
    retention: float | None = None
    is_dead_letter: bool = True
    signed_by: str | None = None
    created_by: str | None = None
    traceparent: str | None = None

    @property
    def content(self) -> bytes | None:
        """The bytes of the request body; None for no body."""
        if self.body_base64 is not None:
            return base64.b64decode(self.body_base64)
        return None if self.body is None else self.body.encode()
