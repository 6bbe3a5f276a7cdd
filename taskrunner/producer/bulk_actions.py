"""Bulk actions: cancel, retry, delete or requeue everything that a filter matches, a page with each call."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import FieldError, FilterInvalid, TaskUnknown
from taskrunner.domain.record import DeadLetter, DeadLetterKind, Record
from taskrunner.domain.status import LIVE, Status
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.domain.value import Value, replace
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store

# The order in which a task goes through them, so that a task that moves on meanwhile is met again.
_ORDER = (
    Status.SCHEDULED,
    Status.RETRYING,
    Status.QUEUED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
)


class BulkAction(StrEnum):
    """What can be done to many tasks."""

    CANCEL = "cancel"
    REQUEUE = "requeue"
    DELETE = "delete"


# The statuses that each action applies to, in `_ORDER`.
STATUSES: Mapping[BulkAction, tuple[Status, ...]] = {
    BulkAction.CANCEL: tuple(status for status in _ORDER if status in LIVE),
    BulkAction.REQUEUE: (Status.FAILED,),
    BulkAction.DELETE: _ORDER,
}


class BulkResult(Value):
    """The result of one call: the number of matches, and the ids that the action took effect on.

    The other matches changed meanwhile, or cannot be read. `cursor` asks for the next part, None at the end.
    """

    matched: int
    ids: Sequence[str]
    cursor: str | None


class BulkActions:
    """Each call handles up to `limit` matches; a `dry_run` only counts them. All raise `StoreUnavailable`.

    Methods that take a cursor raise `ValueError` for an invalid one.
    """

    def __init__(
        self, store: Store, search: Search, cancellation: Cancellation, requeuer: Requeuer, clock: Clock
    ) -> None:
        self._store = store
        self._search = search
        self._cancellation = cancellation
        self._requeuer = requeuer
        self._clock = clock

    async def tasks(
        self,
        action: BulkAction,
        task_filter: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Cancel, retry or delete the tasks whose status allows it.

        A task that changes its status meanwhile is left out, although `matched` counts it. Raises
        `FilterInvalid` for a status that the action does not apply to.
        """
        statuses = _statuses(action, task_filter)
        position, last = _position(cursor, statuses)
        matched, ids = 0, list[str]()
        for status in statuses[position:]:
            with_status = replace(task_filter, status=status)
            page = await self._search.tasks(with_status, limit=limit - matched, cursor=last)
            last = None
            matched += len(page.items)
            if not dry_run:
                ids += await self._apply(action, page.items, status)
            if page.cursor is not None:
                return BulkResult(matched=matched, ids=ids, cursor=f"{status}:{page.cursor}")
            if matched >= limit and status is not statuses[-1]:
                following = statuses[statuses.index(status) + 1]
                return BulkResult(matched=matched, ids=ids, cursor=f"{following}:")
        return BulkResult(matched=matched, ids=ids, cursor=None)

    async def requeue(
        self,
        task_filter: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        dry_run: bool = False,
        rate: float | None = None,
    ) -> BulkResult:
        """Requeue dead letters: `rate` per second, or all at once."""
        page = await self._search.dead_letters(task_filter, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            for due, group in _spaced(page.items, rate, self._clock.now()):
                ids += await self._requeuer.requeue_all(group, due=due)
        return BulkResult(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def purge(
        self, task_filter: TaskFilter, *, limit: int, cursor: str | None, dry_run: bool = False
    ) -> BulkResult:
        """Delete dead letters: failed tasks with their records, messages with their bytes."""
        page = await self._search.dead_letters(task_filter, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            tasks = [letter.id for letter in page.items if letter.kind is DeadLetterKind.TASK]
            ids += await self._cancellation.delete_all(tasks, status=Status.FAILED)
            for letter in page.items:
                if letter.kind is DeadLetterKind.MESSAGE and await self._store.remove_dead_message(letter.id):
                    ids.append(letter.id)
        return BulkResult(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def purge_one(self, letter_id: str) -> None:
        """Delete one dead letter. Raises `TaskUnknown`."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            await self._store.remove_dead_message(letter_id)
        else:
            await self._cancellation.delete_all([letter_id], status=Status.FAILED)

    async def _apply(self, action: BulkAction, records: Sequence[Record], status: Status) -> list[str]:
        ids = [record.task.id for record in records]
        if action is BulkAction.CANCEL:
            return await self._cancellation.cancel_all(records)
        if action is BulkAction.REQUEUE:
            return await self._requeuer.requeue_tasks(ids)
        return await self._cancellation.delete_all(ids, status=status)


def _statuses(action: BulkAction, task_filter: TaskFilter) -> tuple[Status, ...]:
    possible = STATUSES[action]
    if task_filter.status is None:
        return possible
    if task_filter.status not in possible:
        message = f"{action} does not apply to {task_filter.status} tasks; possible: {', '.join(possible)}"
        raise FilterInvalid([FieldError(field="status", message=message)])
    return (task_filter.status,)


def _position(cursor: str | None, statuses: tuple[Status, ...]) -> tuple[int, str | None]:
    """Where to go on: the index of the status, and the last id in it. Raises `ValueError`."""
    if cursor is None:
        return 0, None
    status, _, last = cursor.partition(":")
    return statuses.index(Status(status)), last or None


def _spaced(
    letters: Sequence[DeadLetter], rate: float | None, now: datetime
) -> Iterator[tuple[datetime | None, Sequence[DeadLetter]]]:
    """Groups with the time at which each is due; a second's worth is one group."""
    if rate is None:
        yield None, letters
        return
    size = max(1, int(rate))
    for first in range(0, len(letters), size):
        yield now + timedelta(seconds=first / rate), letters[first : first + size]
