"""The values that more than one part of a store takes or answers with."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Self, TypeVar

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.new_task import NewTask, StoredTask
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.record import Attempt, DeadLetter, DeadLetterKind, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.domain.value import Value

Item = TypeVar("Item")

# How the cursors of lists of tasks and of dead letters begin; an id follows.
TASK_PLACE, LETTER_PLACE = "(-?[0-9]{1,15}):()", "(-?[0-9]{1,15}):([tm]):"
_TASK_CURSOR = re.compile(f"{TASK_PLACE}(.*)", re.DOTALL)
_LETTER_CURSOR = re.compile(f"{LETTER_PLACE}(.*)", re.DOTALL)


class AttemptRef(Value):
    """An attempt of a task: for `mark_queued` the next one, for `renew` the one that runs.

    `follow_ups` are for `fail` and `cancel`: tasks that are accepted in the same atomic step, if they take
    effect. `snoozes` is for `mark_queued`: how often the task had been snoozed when it was published.
    `progress` is for `renew`: what the attempt says of itself, if there is news.
    """

    id: str
    attempt: int
    follow_ups: tuple[NewTask, ...] = ()
    snoozes: int = 0
    progress: Progress | None = None


class Due(StoredTask):
    """A task to act on. `attempt` is the last attempt that started.

    For a `running` task, `attempt` is the attempt whose lease ended and `running` is its entry in the record.
    """

    status: Status
    attempt_limit: int
    running: Attempt | None = None


class CursorInvalid(ValueError):
    """A cursor that this list never gave out; no fault of what is stored."""


class Place(Value):
    """A place in a list, which is ordered by a time, then by `kind`, then by `id`.

    `kind` is `t` for a task and `m` for a message in a list of dead letters, and empty in other lists.
    """

    ms: int
    id: str
    kind: str = ""

    @classmethod
    def of_cursor(cls, cursor: str, *, namespace: str = "", letters: bool = False) -> Self:
        """The inverse of `cursor`. Raises `CursorInvalid` for a foreign cursor.

        In the list of a namespace every cursor leads to a place of that namespace, wherever it came from.
        """
        found = (_LETTER_CURSOR if letters else _TASK_CURSOR).fullmatch(cursor)
        if found is None:
            raise CursorInvalid(f"no cursor of a list: {cursor!r}")
        return cls(ms=int(found[1]), kind=found[2], id=namespace + found[3])

    @classmethod
    def of_task(cls, record: Record) -> Self:
        """Tasks are ordered by their creation."""
        return cls(ms=to_ms(record.task.created_at), id=record.task.id)

    @classmethod
    def of_dead_letter(cls, letter: DeadLetter) -> Self:
        """Dead letters are ordered by their death; tasks come before messages of the same moment."""
        kind = "t" if letter.kind is DeadLetterKind.TASK else "m"
        return cls(ms=to_ms(letter.died_at), kind=kind, id=letter.id)

    def cursor(self, namespace: str = "") -> str:
        """The cursor of the page that follows this place, in the list of `namespace`."""
        kind = f"{self.kind}:" if self.kind else ""
        return f"{self.ms}:{kind}{self.id.removeprefix(namespace)}"


def seen_state(record: Record) -> str:
    """The state in which somebody has seen a task: whatever changes in its record changes this, too.

    `cancel` and `delete` take it for a change of just this state.
    """
    due = "" if record.due is None else to_ms(record.due)
    return f"{record.status} {record.attempt} {to_ms(record.updated_at)} {due} {record.snoozes}"


class Created(Value):
    """A span of creation, `before` excluded; None is open."""

    after: datetime | None = None
    before: datetime | None = None

    def place(self, order: TaskOrder) -> Place | None:
        """The place at which a list of the span begins; it may have tasks of a millisecond too many."""
        if order is TaskOrder.OLDEST:
            return None if self.after is None else Place(ms=to_ms(self.after) - 1, id="")
        return None if self.before is None else Place(ms=to_ms(self.before) + 1, id="")

    def last_ms(self, order: TaskOrder) -> int | None:
        """The millisecond in which a list of the span ends, or one more; None if it has no end."""
        if order is TaskOrder.OLDEST:
            return None if self.before is None else to_ms(self.before)
        return None if self.after is None else to_ms(self.after) - 1


class Page(Value, Generic[Item]):
    """A part of a list; `cursor` asks for the next part, None at the end."""

    items: Sequence[Item]
    cursor: str | None
