"""The search finds the tasks and dead letters that a filter matches, with bounded work per call.

The store has an index by status. The other conditions are checked here, on the records, since every task
would pay for an index per condition. So a page may have fewer items than its limit, or none, and a cursor.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskrunner.domain.record import DeadLetter, Record
from taskrunner.domain.task_filter import TaskFilter, dead_letter_facts, task_facts
from taskrunner.stores.base import Page, Store

Item = TypeVar("Item")

# The most reads of the store by one call.
_MAX_READS = 40


class Search:
    """Tasks by descending id, dead letters the latest first.

    One call checks `max_checked` items, or a page more: some 50 ms of decoding.
    """

    def __init__(self, store: Store, *, max_checked: int = 2000) -> None:
        self._store = store
        self._max_checked = max_checked

    async def tasks(self, task_filter: TaskFilter, *, limit: int, cursor: str | None) -> Page[Record]:
        """Raises `StoreUnavailable`."""
        return await self._scan(
            lambda limit, cursor: self._store.list_tasks(task_filter.status, limit=limit, cursor=cursor),
            lambda record: task_filter.matches(task_facts(record)),
            limit=limit,
            cursor=cursor,
        )

    async def dead_letters(
        self, task_filter: TaskFilter, *, limit: int, cursor: str | None
    ) -> Page[DeadLetter]:
        """Raises `StoreUnavailable`, and `ValueError` for an invalid cursor."""
        return await self._scan(
            lambda limit, cursor: self._store.list_dead_letters(limit=limit, cursor=cursor),
            lambda letter: task_filter.matches(dead_letter_facts(letter)),
            limit=limit,
            cursor=cursor,
        )

    async def _scan(
        self,
        read: Callable[[int, str | None], Awaitable[Page[Item]]],
        matches: Callable[[Item], bool],
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[Item]:
        found: list[Item] = []
        checked = 0
        for _ in range(_MAX_READS):
            page = await read(limit - len(found), cursor)
            found += filter(matches, page.items)
            checked += len(page.items)
            cursor = page.cursor
            if cursor is None or len(found) >= limit or checked >= self._max_checked:
                break
        return Page(items=found, cursor=cursor)
