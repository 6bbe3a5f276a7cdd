"""The bulk_actions does one thing to all that a selection chooses, a bounded part of it with each call."""

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
from taskrunner.producer.requeue import Requeue
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store

_ORDER = (
    Status.SCHEDULED,
    Status.RETRYING,
    Status.QUEUED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
)


class Action(StrEnum):
    """What can be done to many tasks."""

    CANCEL = "cancel"
    REQUEUE = "requeue"
    DELETE = "delete"


# The statuses in which it can be done, in the order in which a task goes through them: what moves on while
# the bulk_actions is under way is met again.
STATUSES: Mapping[Action, tuple[Status, ...]] = {
    Action.CANCEL: tuple(status for status in _ORDER if status in LIVE),
    Action.REQUEUE: (Status.FAILED,),
    Action.DELETE: _ORDER,
}


class BulkResult(Value):
    """What one call came to: how many were chosen, and the ids of those that it was done to.

    The others had changed meanwhile, or cannot be read. `cursor` asks for the next part, None at the end.
    """

    matched: int
    ids: Sequence[str]
    cursor: str | None


class BulkActions:
    """Each call chooses up to `limit`; a `dry_run` only counts them. All raise `StoreUnavailable`."""

    def __init__(
        self, store: Store, search: Search, cancellation: Cancellation, requeue: Requeue, clock: Clock
    ) -> None:
        self._store = store
        self._search = search
        self._cancellation = cancellation
        self._revival = requeue
        self._clock = clock

    async def tasks(
        self,
        action: Action,
        selection: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Cancel, retry or delete tasks: those in a status in which that can be done.

        What changes while it is looked at is left out; `matched` counts it all the same. Raises
        `FilterInvalid` for a status in which it cannot be done, `ValueError` for a cursor that is none.
        """
        statuses = _statuses(action, selection)
        position, last = _place(cursor, statuses)
        matched, ids = 0, list[str]()
        for status in statuses[position:]:
            chosen = replace(selection, status=status)
            page = await self._search.tasks(chosen, limit=limit - matched, cursor=last)
            last = None
            matched += len(page.items)
            if not dry_run:
                ids += await self._do(action, page.items, status)
            if page.cursor is not None:
                return BulkResult(matched=matched, ids=ids, cursor=f"{status}:{page.cursor}")
            if matched >= limit and status is not statuses[-1]:
                following = statuses[statuses.index(status) + 1]
                return BulkResult(matched=matched, ids=ids, cursor=f"{following}:")
        return BulkResult(matched=matched, ids=ids, cursor=None)

    async def requeue(
        self,
        selection: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        dry_run: bool = False,
        rate: float | None = None,
    ) -> BulkResult:
        """Requeue dead letters; with `rate` they become due that many a second, else all at once.

        Raises `ValueError` for a cursor that is none.
        """
        page = await self._search.dead_letters(selection, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            for due, group in _spaced(page.items, rate, self._clock.now()):
                ids += await self._revival.requeue_all(group, due=due)
        return BulkResult(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def purge(
        self, selection: TaskFilter, *, limit: int, cursor: str | None, dry_run: bool = False
    ) -> BulkResult:
        """Delete dead letters: failed tasks with all that is known of them, messages with their bytes.

        Raises `ValueError` for a cursor that is none.
        """
        page = await self._search.dead_letters(selection, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            tasks = [letter.id for letter in page.items if letter.kind is DeadLetterKind.TASK]
            ids += await self._cancellation.delete_all(tasks, status=Status.FAILED)
            for letter in page.items:
                if letter.kind is DeadLetterKind.MESSAGE and await self._store.remove_dead_message(letter.id):
                    ids.append(letter.id)
        return BulkResult(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def _do(self, action: Action, records: Sequence[Record], status: Status) -> list[str]:
        ids = [record.task.id for record in records]
        if action is Action.CANCEL:
            return await self._cancellation.cancel_all(records)
        if action is Action.REQUEUE:
            return await self._revival.requeue_tasks(ids)
        return await self._cancellation.delete_all(ids, status=status)

    async def purge_one(self, letter_id: str) -> None:
        """Delete one dead letter. Raises `TaskUnknown`."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            await self._store.remove_dead_message(letter_id)
        else:
            await self._cancellation.delete_all([letter_id], status=Status.FAILED)


def _statuses(action: Action, selection: TaskFilter) -> tuple[Status, ...]:
    possible = STATUSES[action]
    if selection.status is None:
        return possible
    if selection.status not in possible:
        message = f"tasks that are {selection.status} cannot be done this to; possible: {', '.join(possible)}"
        raise FilterInvalid([FieldError(field="status", message=message)])
    return (selection.status,)


def _place(cursor: str | None, statuses: tuple[Status, ...]) -> tuple[int, str | None]:
    """Where to go on: the place of the status, and the last id of it. Raises `ValueError`."""
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
