"""The part of a store that operators ask, by API and command line: read, cancel, requeue, pause."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.stores.values import AttemptRef, Created, Due, Page

ANY_TIME = Created()


class OperatorStore(ABC):
    """Shows tasks and changes them by request."""

    @abstractmethod
    async def get(self, task_id: str) -> Record | None:
        """The record, or None."""

    @abstractmethod
    async def get_many(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Those records that there are, by id, in one read."""

    @abstractmethod
    async def body(self, task_id: str) -> bytes | None:
        """The stored beginning of the fetched body, or None where there is none."""

    @abstractmethod
    async def list_tasks(
        self,
        status: Status | None,
        *,
        limit: int,
        cursor: str | None,
        created: Created = ANY_TIME,
        namespace: str = "",
        order: TaskOrder = TaskOrder.NEWEST,
    ) -> Page[Record]:
        """Records of one status or of all by creation; of one millisecond, by id in the same direction.

        A `namespace` has a list of its own: the ids that begin with it (see `domain.submitter`), found
        without a look at others, and cursors that leave it out.

        At the edges of `created` there may be tasks of a millisecond too many. Raises `ValueError` for a
        foreign cursor, which is a `Place`.
        """

    @abstractmethod
    async def counts(self) -> Mapping[Status, int]:
        """Tasks per status, every status present."""

    @abstractmethod
    async def cancel(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        error: str,
        retention: float,
        seen: str | None = None,
    ) -> Sequence[bool]:
        """Like `ConsumerStore.fail`, but to `cancelled`. A running task is cancelled by settling it.

        With `seen`, only a task in just this state, see `seen_state`.
        """

    @abstractmethod
    async def delete(
        self,
        ids: Sequence[str],
        *,
        now: datetime,
        retention: float,
        status: Status | None = None,
        seen: str | None = None,
    ) -> Sequence[bool]:
        """Remove tasks with their bodies; False where there is no such task, or not with `status`, or `seen`.

        The ids are remembered as deleted for `retention` seconds: a claim is `STALE`, so that a late delivery
        is not adopted, and accepting such an id is a `CONFLICT`.
        """

    @abstractmethod
    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        """Failed tasks become `scheduled` again, with `max_attempts` more attempts and their history kept.

        The deadline is dropped: it has passed, or an operator wants the task in spite of it.
        None for an id that is not a failed task.
        """

    @abstractmethod
    async def pause(self, scope: str, *, now: datetime) -> None:
        """Pause a scope; one that is already paused keeps its time."""

    @abstractmethod
    async def resume(self, scope: str) -> bool:
        """Resume a scope; False where it was not paused."""

    @abstractmethod
    async def pauses(self) -> Mapping[str, datetime]:
        """The paused scopes, and since when."""
