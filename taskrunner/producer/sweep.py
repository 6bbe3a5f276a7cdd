"""The sweep does one thing to all that a selection chooses, a bounded part of it with each call."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.selection import Selection
from taskrunner.domain.status import Status
from taskrunner.domain.value import value
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.revival import Revival
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store


@value
class Swept:
    """What one call came to: how many were chosen, and the ids of those that it was done to.

    The others had changed meanwhile, or cannot be read. `cursor` asks for the next part, None at the end.
    """

    matched: int
    ids: Sequence[str]
    cursor: str | None


class Sweep:
    """Each call chooses up to `limit`; a `dry_run` only counts them. All raise `StoreUnavailable`."""

    def __init__(
        self, store: Store, search: Search, cancellation: Cancellation, revival: Revival, clock: Clock
    ) -> None:
        self._store = store
        self._search = search
        self._cancellation = cancellation
        self._revival = revival
        self._clock = clock

    async def requeue(
        self,
        selection: Selection,
        *,
        limit: int,
        cursor: str | None,
        dry_run: bool = False,
        rate: float | None = None,
    ) -> Swept:
        """Requeue dead letters; with `rate` they become due that many a second, else all at once.

        Raises `ValueError` for a cursor that is none.
        """
        page = await self._search.dead_letters(selection, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            for due, group in _spaced(page.items, rate, self._clock.now()):
                ids += await self._revival.requeue_all(group, due=due)
        return Swept(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def purge(
        self, selection: Selection, *, limit: int, cursor: str | None, dry_run: bool = False
    ) -> Swept:
        """Delete dead letters: failed tasks with all that is known of them, messages with their bytes.

        Raises `ValueError` for a cursor that is none.
        """
        page = await self._search.dead_letters(selection, limit=limit, cursor=cursor)
        ids: list[str] = []
        if not dry_run:
            tasks = [letter.id for letter in page.items if letter.kind is DeadLetterKind.TASK]
            ids += await self._cancellation.delete_all(tasks, status=Status.FAILED)
            for letter in page.items:
                if letter.kind is DeadLetterKind.MESSAGE and await self._store.exhume(letter.id):
                    ids.append(letter.id)
        return Swept(matched=len(page.items), ids=ids, cursor=page.cursor)

    async def purge_one(self, letter_id: str) -> None:
        """Delete one dead letter. Raises `TaskUnknown`."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            await self._store.exhume(letter_id)
        else:
            await self._cancellation.delete_all([letter_id], status=Status.FAILED)


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
