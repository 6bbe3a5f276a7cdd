"""A change: a task has another status than before. The store logs changes while somebody watches them."""

from collections.abc import Sequence
from typing import NamedTuple

from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value


class ChangeId(NamedTuple):
    """The place of a change in the log. The later change has the larger id."""

    major: int
    minor: int


class StatusChange(Value):
    """`status` is what the task came to; None if it was deleted."""

    id: ChangeId
    task_id: str
    status: Status | None


class ChangeLog(Value):
    """Where the log ends, and a secret that is as old as the log: places are not for everybody to read."""

    end: ChangeId
    secret: bytes


class Changes(Value):
    """A part of the log. `lost`: the log does not reach back to where this part should begin."""

    changes: Sequence[StatusChange]
    lost: bool = False
