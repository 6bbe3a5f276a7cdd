"""The part of a store that the scheduler and the schedule commands ask."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.value import Value
from taskrunner.stores.values import Page


class StoredSchedule(Value):
    """A schedule in JSON. Each change gives it a new `version`; `next_at` is None while it is paused."""

    name: str
    version: str
    encoded: bytes
    next_at: datetime | None


class ScheduleStore(ABC):
    """Keeps schedules."""

    @abstractmethod
    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        """Write a schedule whose stored version is `expected` (None: there is none of this name).

        Accepts `tasks` in the same atomic step; a task whose id is taken is left as it is.
        False, and nothing written, for any other version.
        """

    @abstractmethod
    async def schedule(self, name: str) -> StoredSchedule | None:
        """One schedule, or None."""

    @abstractmethod
    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        """Schedules by name, ascending. `cursor` is the last name of the page before."""

    @abstractmethod
    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        """Up to `limit` schedules whose next slot has come, the longest overdue first. Reads only."""

    @abstractmethod
    async def delete_schedule(self, name: str, *, expected: str) -> bool:
        """Remove a schedule whose stored version is `expected`, else False; its tasks stay."""
