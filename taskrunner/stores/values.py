"""The values that more than one part of a store takes or answers with."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Self, TypeVar

from taskrunner.domain.clock import to_ms
from taskrunner.domain.new_task import NewTask, StoredTask
from taskrunner.domain.record import Attempt, DeadLetter, DeadLetterKind, Record
from taskrunner.domain.status import Status
from taskrunner.domain.value import Value

Item = TypeVar("Item")

_PLACE = re.compile(r"(-?\d{1,15}):(.*)", re.DOTALL)


class AttemptRef(Value):
    """An attempt of a task: for `mark_queued` the next one, for `renew` the one that runs.

    `follow_up` is for `fail` and `cancel`: a task that is accepted in the same atomic step, if they take
    effect. `snoozes` is for `mark_queued`: how often the task had been snoozed when it was published.
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


class Place(Value):
    """A place in a list of tasks or dead letters, which are ordered by a time and then by `member`.

    As text it is the cursor of the page that follows it.
    """

    ms: int
    member: str

    @classmethod
    def read(cls, cursor: str) -> Self:
        """Raises `ValueError` for a foreign cursor."""
        found = _PLACE.fullmatch(cursor)
        if found is None:
            raise ValueError(f"no cursor of a list: {cursor!r}")
        return cls(ms=int(found[1]), member=found[2])

    @classmethod
    def of_task(cls, record: Record) -> Self:
        """Tasks are ordered by their creation."""
        return cls(ms=to_ms(record.task.created_at), member=record.task.id)

    @classmethod
    def of_dead_letter(cls, letter: DeadLetter) -> Self:
        """Dead letters are ordered by their death; tasks come before messages of the same moment."""
        kind = "t" if letter.kind is DeadLetterKind.TASK else "m"
        return cls(ms=to_ms(letter.died_at), member=f"{kind}:{letter.id}")

    def __str__(self) -> str:
        return f"{self.ms}:{self.member}"


class Created(Value):
    """A span of creation, `before` excluded; None is open."""

    after: datetime | None = None
    before: datetime | None = None

    def place(self) -> Place | None:
        """The place at which a list of the span begins; it may have tasks of a millisecond too many."""
        return None if self.before is None else Place(ms=to_ms(self.before) + 1, member="")

    @property
    def oldest_ms(self) -> int | None:
        """The first millisecond of the span, or one before."""
        return None if self.after is None else to_ms(self.after) - 1


class Page(Value, Generic[Item]):
    """A part of a list; `cursor` asks for the next part, None at the end."""

    items: Sequence[Item]
    cursor: str | None
