"""The search finds the tasks and dead letters that a filter matches, with bounded work per call.

The store has an index by status and time of creation, of all tasks and of those of each namespace. The other
conditions are checked here, on the records, since every task would pay for an index per condition. So a page
may have fewer items than its limit, or none, and a cursor.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskrunner.domain.tasks.record import DeadLetter, Record
from taskrunner.domain.tasks.task_filter import TaskFilter, TaskOrder, dead_letter_facts, task_facts
from taskrunner.domain.value import replace
from taskrunner.stores.base import Page, Store
from taskrunner.stores.values import Created, Place

Item = TypeVar("Item")

# The most reads of the store by one call, and the records of one read: a read of a few, because few are still
# wanted, would make a rare match cost a round trip for each record.
_MAX_READS = 40
_BATCH = 250


class Search:
    """Tasks by their creation, dead letters by their death, the latest first.

    One call checks `max_checked` items, or a read more: some 50 ms of decoding.
    """

    def __init__(self, store: Store, *, max_checked: int = 2000) -> None:
        self._store = store
        self._max_checked = max_checked
        self._batch = min(_BATCH, max_checked)

    async def tasks(
        self,
        task_filter: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        order: TaskOrder = TaskOrder.NEWEST,
    ) -> Page[Record]:
        """Raises `StoreUnavailable`, and `ValueError` for an invalid cursor."""
        created = Created(after=task_filter.created_after, before=task_filter.created_before)
        namespace = task_filter.namespace
        return await self._scan(
            lambda size, cursor: self._store.list_tasks(
                task_filter.status,
                limit=size,
                cursor=cursor,
                created=created,
                namespace=namespace,
                order=order,
            ),
            lambda record: task_filter.matches(task_facts(record)),
            lambda record: Place.of_task(record).cursor(namespace),
            limit=limit,
            cursor=cursor,
            batch=limit if replace(task_filter, status=None).is_empty else max(limit, self._batch),
        )

    async def dead_letters(
        self, task_filter: TaskFilter, *, limit: int, cursor: str | None
    ) -> Page[DeadLetter]:
        """Raises `StoreUnavailable`, and `ValueError` for an invalid cursor."""
        namespace = task_filter.namespace
        return await self._scan(
            lambda size, cursor: self._store.list_dead_letters(
                limit=size, cursor=cursor, namespace=namespace
            ),
            lambda letter: letter.is_listed and task_filter.matches(dead_letter_facts(letter)),
            lambda letter: Place.of_dead_letter(letter).cursor(namespace),
            limit=limit,
            cursor=cursor,
            batch=limit if task_filter.is_empty else max(limit, self._batch),
        )

    async def _scan(
        self,
        read: Callable[[int, str | None], Awaitable[Page[Item]]],
        matches: Callable[[Item], bool],
        cursor_at: Callable[[Item], str],
        *,
        limit: int,
        cursor: str | None,
        batch: int,
    ) -> Page[Item]:
        found: list[Item] = []
        checked = 0
        for _ in range(_MAX_READS):
            page = await read(batch, cursor)
            for item in page.items:
                if matches(item):
                    found.append(item)
                if len(found) == limit:
                    at_end = item is page.items[-1] and page.cursor is None
                    return Page(items=found, cursor=None if at_end else cursor_at(item))
            checked += len(page.items)
            cursor = page.cursor
            if cursor is None or checked >= self._max_checked:
                break
        return Page(items=found, cursor=cursor)
