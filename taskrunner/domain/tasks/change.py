"""A change: a task has another status than before. The store logs changes while somebody watches them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.value import Value


class ChangeEvent(StrEnum):
    """What a change is called: the status that the task came to, or its deletion."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


class ChangeId(NamedTuple):
    """The place of a change in the log. The later change has the larger id."""

    major: int
    minor: int


class StatusChange(Value):
    """`status` is what the task came to; None if it was deleted.

    `at` is the time by the store's clock, None if the change is not from the log.
    """

    id: ChangeId
    task_id: str
    status: Status | None
    at: AwareDatetime | None = None

    @property
    def event(self) -> ChangeEvent:
        return ChangeEvent.DELETED if self.status is None else ChangeEvent(self.status)


class ChangeLog(Value):
    """Where the log ends, and a secret that is as old as the log: places are not for everybody to read."""

    end: ChangeId
    secret: bytes


class Changes(Value):
    """A part of the log. `lost`: the log does not reach back to where this part should begin."""

    changes: Sequence[StatusChange]
    lost: bool = False


class ChangeCursor(Value):
    """Up to where processes, of which one at a time acts on the log, have acted on it.

    `holder` is the process that acts, until `until`. `secret` is as old as the cursor.
    """

    name: str
    place: ChangeId
    holder: str
    until: AwareDatetime
    secret: str
