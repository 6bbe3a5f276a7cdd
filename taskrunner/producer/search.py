"""The search finds tasks and dead letters by a selection, with bounded work per call.

The store's indices know the status; the other conditions are judged here, on the records themselves, since
an index for each of them would have to be paid for by every task. So a page may have fewer items than its
limit, or none, and still have a cursor.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskrunner.domain.record import DeadLetter, Record
from taskrunner.domain.task_filter import TaskFilter, dead_letter_facts, task_facts
from taskrunner.stores.base import Page, Store

Item = TypeVar("Item")

# How often one call asks the store at most; each time for as many as are still wanted.
_READS_MOST = 40


class Search:
    """Pages by descending id for tasks, the latest first for dead letters.

    One call looks at `looked_most` or a page more: some 50 ms of decoding.
    """

    def __init__(self, store: Store, *, looked_most: int = 2000) -> None:
        self._store = store
        self._looked_most = looked_most

    async def tasks(self, selection: TaskFilter, *, limit: int, cursor: str | None) -> Page[Record]:
        """Raises `StoreUnavailable`."""
        return await self._scan(
            lambda limit, cursor: self._store.list_tasks(selection.status, limit=limit, cursor=cursor),
            lambda record: selection.meets(task_facts(record)),
            limit=limit,
            cursor=cursor,
        )

    async def dead_letters(
        self, selection: TaskFilter, *, limit: int, cursor: str | None
    ) -> Page[DeadLetter]:
        """Raises `StoreUnavailable`, and `ValueError` for a cursor that is none."""
        return await self._scan(
            lambda limit, cursor: self._store.list_dead_letters(limit=limit, cursor=cursor),
            lambda letter: selection.meets(dead_letter_facts(letter)),
            limit=limit,
            cursor=cursor,
        )

    async def _scan(
        self,
        read: Callable[[int, str | None], Awaitable[Page[Item]]],
        meets: Callable[[Item], bool],
        *,
        limit: int,
        cursor: str | None,
    ) -> Page[Item]:
        found: list[Item] = []
        looked = 0
        for _ in range(_READS_MOST):
            page = await read(limit - len(found), cursor)
            found += filter(meets, page.items)
            looked += len(page.items)
            cursor = page.cursor
            if cursor is None or len(found) >= limit or looked >= self._looked_most:
                break
        return Page(items=found, cursor=cursor)
