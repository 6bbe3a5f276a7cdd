"""The part of a store that `taskrunner doctor` asks: find what contradicts its record, and repair it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value


class Flaw(StrEnum):
    """How the stored parts of a task contradict each other. The record counts, where there is one."""

    NOT_DUE = "not_due"  # it is live, but not in the due index: nothing will ever happen to it
    DUE_THOUGH_ENDED = "due_though_ended"
    MISFILED = "misfiled"  # listed under another status or not at all; kept for ever or not at all
    NO_RECORD = "no_record"  # entries of a task whose record, or whose encoded task, is gone


class Flawed(Value):
    """A task and its flaw."""

    id: str
    flaw: Flaw


class Inspection(Value):
    """One part of a walk through a store; `cursor` asks for the next, None at the end."""

    looked: int
    flawed: Sequence[Flawed]
    cursor: str | None


class Overdue(Value):
    """A live task whose due time passed without anything happening to it."""

    id: str
    status: Status
    queue: str


class InspectionStore(ABC):
    """Inspects and repairs what is stored."""

    @abstractmethod
    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        """Up to `limit` live tasks that were due by `before`, the longest overdue first. Reads only."""

    @abstractmethod
    async def time(self) -> datetime | None:
        """The time by the store's own clock; None where our user may not ask for it."""

    @abstractmethod
    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        """Walk through everything stored, about `limit` entries per call. Reads only.

        Each task is checked in one atomic step, so a change under way shows no flaw. What is there during the
        whole walk is visited, some of it twice. Raises `ValueError` for a foreign cursor.
        """

    @abstractmethod
    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, retention: float
    ) -> Sequence[bool]:
        """Make the entries of these tasks agree with their records; True where something was changed.

        A live task that is not due becomes due: at `lease_until` if it runs, otherwise `now`. A finished task
        that would be kept for ever is kept for `retention` seconds. Entries without a record are removed.
        """
