"""Bulk actions: the steps of an operation. Each cancels, requeues or deletes a page of what matches."""

from collections.abc import Sequence

from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.operations.bulk_operation import (
    STATUSES,
    BulkOperation,
    OperationAction,
    Refusal,
    Resource,
)
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import Value, replace
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store


class Step(Value):
    """What a step has done: how many matched, the ids of the tasks or letters that it changed, and refusals.

    The other matches changed meanwhile. `cursor` is where the next step begins, None at the end.
    """

    matched: int
    done: Sequence[str] = ()
    refused: Sequence[Refusal] = ()
    cursor: str | None = None


class BulkActions:
    """A step that is repeated changes nothing that it has changed before."""

    def __init__(self, store: Store, search: Search, cancellation: Cancellation, requeuer: Requeuer) -> None:
        self._store = store
        self._search = search
        self._cancellation = cancellation
        self._requeuer = requeuer

    async def step(self, operation: BulkOperation, size: int) -> Step:
        """Act on up to `size`, from the cursor of the operation's progress on. Raises `StoreUnavailable`."""
        if operation.ids:
            return await self._named(operation, size)
        if operation.resource is Resource.TASKS:
            return await self._tasks(operation, size)
        page = await self._search.dead_letters(
            _selected(operation), limit=size, cursor=operation.progress.cursor
        )
        step = await self._change_letters(operation, page.items)
        return replace(step, cursor=page.cursor)

    async def delete_letter(self, letter_id: str) -> None:
        """Delete one dead letter. Raises `TaskUnknown`, `StoreUnavailable`."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise _letter_unknown(letter_id)
        await self._delete_letters([letter])

    async def _named(self, operation: BulkOperation, size: int) -> Step:
        """Tasks or dead letters by their ids. The cursor counts those that are done."""
        first = int(operation.progress.cursor or 0)
        ids = operation.ids[first : first + size]
        following = str(first + size) if first + size < len(operation.ids) else None
        if operation.resource is Resource.TASKS:
            step = await self._named_tasks(operation, ids)
        else:
            found = [(each, await self._store.dead_letter(each)) for each in ids]
            unknown = [
                Refusal(id=each, reason=str(_letter_unknown(each)))
                for each, letter in found
                if letter is None
            ]
            letters = [letter for _, letter in found if letter is not None]
            step = await self._change_letters(operation, letters)
            step = replace(step, matched=len(ids), refused=[*unknown, *step.refused])
        return replace(step, cursor=following)

    async def _named_tasks(self, operation: BulkOperation, ids: Sequence[str]) -> Step:
        records = await self._store.get_many(ids)
        possible = STATUSES[operation.action]
        refused: list[Refusal] = []
        fit: list[Record] = []
        for task_id in ids:
            record = records.get(task_id)
            if record is None:
                refused.append(Refusal(id=task_id, reason=str(TaskUnknown.of(task_id))))
            elif record.status not in possible:
                reason = f"task {task_id} is {record.status}, so there is nothing to {operation.action}"
                refused.append(Refusal(id=task_id, reason=reason))
            elif _is_meant(operation, record):
                fit.append(record)
        done = [] if operation.dry_run else await self._change_tasks(operation.action, fit)
        return Step(matched=len(ids), done=done, refused=refused)

    async def _tasks(self, operation: BulkOperation, size: int) -> Step:
        """The tasks whose status allows it, one status after the other."""
        selected = _selected(operation)
        possible = STATUSES[operation.action]
        statuses = possible if selected.status is None else (selected.status,)
        position, last = _position(operation.progress.cursor, statuses)
        matched, done = 0, list[str]()
        for status in statuses[position:]:
            page = await self._search.tasks(
                replace(selected, status=status), limit=size - matched, cursor=last
            )
            last = None
            matched += len(page.items)
            if not operation.dry_run:
                done += await self._change_tasks(operation.action, page.items, status)
            if page.cursor is not None:
                return Step(matched=matched, done=done, cursor=f"{status}:{page.cursor}")
            if matched >= size and status is not statuses[-1]:
                following = statuses[statuses.index(status) + 1]
                return Step(matched=matched, done=done, cursor=f"{following}:")
        return Step(matched=matched, done=done)

    async def _change_tasks(
        self, action: OperationAction, records: Sequence[Record], status: Status | None = None
    ) -> list[str]:
        ids = [record.task.id for record in records]
        if action is OperationAction.CANCEL:
            return await self._cancellation.cancel_all(records)
        if action is OperationAction.REQUEUE:
            return await self._requeuer.requeue_tasks(ids)
        return await self._cancellation.delete_all(ids, status=status)

    async def _change_letters(self, operation: BulkOperation, letters: Sequence[DeadLetter]) -> Step:
        matched = len(letters)
        if operation.dry_run:
            return Step(matched=matched)
        if operation.action is OperationAction.DELETE:
            return Step(matched=matched, done=await self._delete_letters(letters))
        meant = [letter for letter in letters if letter.died_at < operation.ended_before]
        requeued = await self._requeuer.requeue_all(meant)
        return Step(matched=matched, done=requeued.ids, refused=requeued.refused)

    async def _delete_letters(self, letters: Sequence[DeadLetter]) -> list[str]:
        """Failed tasks with their records, messages with their bytes."""
        tasks = [letter.id for letter in letters if letter.kind is DeadLetterKind.TASK]
        ids = await self._cancellation.delete_all(tasks, status=Status.FAILED)
        for letter in letters:
            if letter.kind is DeadLetterKind.MESSAGE and await self._store.remove_dead_message(letter.id):
                ids.append(letter.id)
        return ids


def _letter_unknown(letter_id: str) -> TaskUnknown:
    return TaskUnknown(f"no dead letter has the id {letter_id!r}")


def _is_meant(operation: BulkOperation, record: Record) -> bool:
    """False for a task that this operation has requeued already, and that failed again."""
    if operation.action is not OperationAction.REQUEUE or record.finished_at is None:
        return True
    return record.finished_at < operation.ended_before


def _selected(operation: BulkOperation) -> TaskFilter:
    """The filter; of what to requeue, only what had failed when the operation was made."""
    selected = operation.filter
    if operation.action is not OperationAction.REQUEUE:
        return selected
    ends = [end for end in (selected.finished_before, operation.ended_before) if end is not None]
    return replace(selected, finished_before=min(ends))


def _position(cursor: str | None, statuses: tuple[Status, ...]) -> tuple[int, str | None]:
    """Where to go on: the index of the status, and the last id in it."""
    if cursor is None:
        return 0, None
    status, _, last = cursor.partition(":")
    return statuses.index(Status(status)), last or None
