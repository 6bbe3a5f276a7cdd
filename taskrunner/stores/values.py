"""The values that more than one part of a store takes or answers with."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from taskrunner.domain.new_task import NewTask, StoredTask
from taskrunner.domain.record import Attempt
from taskrunner.domain.status import Status
from taskrunner.domain.value import Value

Item = TypeVar("Item")


class AttemptRef(Value):
    """An attempt of a task: for `mark_queued` the next one, for `renew` the one that runs.

    `follow_up` is for `fail` and `cancel` only: the store accepts this task in the same atomic step, if the
    call takes effect. `snoozes` is for `mark_queued` only: how often the task had been snoozed when it was
    published.
    """

    id: str
    attempt: int
    follow_up: NewTask | None = None
    snoozes: int = 0


class Due(StoredTask):
    """A task to act on. `attempt` is the last attempt that started.

    For a `running` task, `attempt` is the attempt whose lease ended and `running` is its entry in the record.
    """

    status: Status
    attempt_limit: int
    running: Attempt | None = None


class Page(Value, Generic[Item]):
    """A part of a list; `cursor` asks for the next part, None at the end."""

    items: Sequence[Item]
    cursor: str | None
