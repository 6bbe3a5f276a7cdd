"""Which executors, hosts and reasons the dead letters have in common, and how many came when.

At most `MOST_COUNTED` are looked at, the newest: some 25 µs each, most of it decoding, with the event loop
free between the pages of the store.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.tasks.record import DeadLetter
from taskrunner.domain.tasks.task_filter import TaskFilter, dead_letter_facts
from taskrunner.domain.value import Value
from taskrunner.stores.dead_letter_store import DeadLetterStore

MOST_COUNTED = 10_000
MOST_GROUPS = 100
_PAGE = 250
# How many requests look at dead letters at a time: each keeps a connection of the store and a core busy.
_SCANS = 2
# By the length of a bucket, how many there are: a day of hours, a month of days.
BUCKETS: Mapping[timedelta, int] = {timedelta(hours=1): 24, timedelta(days=1): 30}


class LetterPlace(Value):
    """What dead letters of one group have in common. A message that could not be read has a reason only."""

    executor: str | None
    host: str | None
    reason: str


class LetterGroup(LetterPlace):
    """`count` dead letters, of which `counts` came in each of the buckets; the others are older."""

    count: int
    counts: tuple[int, ...]
    first_at: datetime
    last_at: datetime


class LetterGroups(Value):
    """The largest groups of the `counted` dead letters, the newest that match.

    There may be older ones if it is not `complete`; then the oldest that was looked at died at `since`.
    `buckets` are when each begins, the last one now. `other` dead letters are in groups that are not named.
    """

    groups: tuple[LetterGroup, ...]
    buckets: tuple[datetime, ...]
    counted: int
    other: int
    complete: bool
    since: datetime | None


class LetterGrouper:
    """Groups dead letters for `_SCANS` requests at a time; the others wait."""

    def __init__(self, store: DeadLetterStore) -> None:
        self._store = store
        self._scanning = asyncio.Semaphore(_SCANS)

    async def groups(self, selection: TaskFilter, *, bucket: timedelta, now: datetime) -> LetterGroups:
        """See `dead_letter_groups`."""
        async with self._scanning:
            return await dead_letter_groups(self._store, selection, bucket=bucket, now=now)


async def dead_letter_groups(
    store: DeadLetterStore,
    selection: TaskFilter,
    *,
    bucket: timedelta,
    now: datetime,
    most_counted: int = MOST_COUNTED,
) -> LetterGroups:
    """Of the dead letters that match. `bucket` is one of `BUCKETS`. Raises `StoreUnavailable`."""
    begins = bucket_begins(bucket, now)
    places: dict[LetterPlace, list[datetime]] = {}
    looked_at, since, complete = 0, None, True
    async for letter in _newest(store, selection):
        # What died before cannot match.
        if selection.finished_after is not None and letter.died_at < selection.finished_after:
            break
        if looked_at == most_counted:
            complete = False
            break
        looked_at, since = looked_at + 1, letter.died_at
        if letter.is_listed and selection.matches(dead_letter_facts(letter)):
            places.setdefault(_place(letter), []).append(letter.died_at)
    groups = sorted(
        (_group(place, died, begins) for place, died in places.items()),
        key=lambda group: (-group.count, group.reason, group.host or "", group.executor or ""),
    )
    return LetterGroups(
        groups=tuple(groups[:MOST_GROUPS]),
        buckets=begins,
        counted=sum(group.count for group in groups),
        other=sum(group.count for group in groups[MOST_GROUPS:]),
        complete=complete,
        since=None if complete else since,
    )


def bucket_begins(bucket: timedelta, now: datetime) -> tuple[datetime, ...]:
    """When the buckets begin, in UTC, the last one at or before `now`."""
    epoch = datetime.fromtimestamp(0, UTC)
    last = epoch + (now - epoch) // bucket * bucket
    return tuple(last - bucket * back for back in reversed(range(BUCKETS[bucket])))


async def _newest(store: DeadLetterStore, selection: TaskFilter) -> AsyncIterator[DeadLetter]:
    cursor = None
    while True:
        page = await store.list_dead_letters(limit=_PAGE, cursor=cursor, namespace=selection.namespace)
        for letter in page.items:
            yield letter
        cursor = page.cursor
        if cursor is None:
            return


def _place(letter: DeadLetter) -> LetterPlace:
    host = None if letter.url is None else host_of(letter.url) or None
    return LetterPlace(executor=dead_letter_facts(letter).executor, host=host, reason=letter.reason)


def _group(place: LetterPlace, died: Sequence[datetime], begins: Sequence[datetime]) -> LetterGroup:
    length = begins[1] - begins[0]
    counts = Counter((each - begins[0]) // length for each in died)
    return LetterGroup(
        executor=place.executor,
        host=place.host,
        reason=place.reason,
        count=len(died),
        # Clocks differ: what died after `now` came last.
        counts=(
            *(counts[at] for at in range(len(begins) - 1)),
            sum(count for at, count in counts.items() if at >= len(begins) - 1),
        ),
        first_at=min(died),
        last_at=max(died),
    )
