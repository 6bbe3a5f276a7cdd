"""Groups of dead letters: what they have in common, and when they came."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.producer.dead_letter_groups import (
    MOST_GROUPS,
    LetterGrouper,
    bucket_begins,
    dead_letter_groups,
)
from taskrunner.stores.base import Store
from taskrunner.stores.dead_letter_store import DeadLetterStore
from taskrunner.stores.values import Page
from tests.contract.stores.harness import KEEP, entry, make_task, ref
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN
from tests.tools.waiting import eventually

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
A, B = "http://a.test/x", "http://b.test:8080/y"


async def die(store: Store, task_id: str, *, ago: timedelta, reason: str = "timeout", **fields: Any) -> None:
    """A task that failed so long ago."""
    died = NOW - ago
    task = make_task(id=task_id, created_at=died - HOUR, **{"url": A, **fields})
    await store.accept([entry(task)])
    await store.fail([ref(task_id)], now=died, reason=reason, error="gone", retention=KEEP)


async def unreadable(store: Store, letter_id: str, *, ago: timedelta) -> None:
    letter = DeadLetter(
        id=letter_id,
        kind=DeadLetterKind.MESSAGE,
        reason="unreadable",
        error="no JSON",
        died_at=NOW - ago,
        queue="low",
        raw=b"?",
    )
    await store.add_dead_messages([letter], retention=KEEP)


async def test_letters_are_grouped_by_executor_host_and_reason(api: Api) -> None:
    """The largest group first, with counts by hour; what is older than the buckets counts all the same."""
    for number, ago in enumerate((timedelta(minutes=40), HOUR, 30 * HOUR)):
        await die(api.store, f"a{number}", ago=ago)
    await die(api.store, "b", ago=DAY / 2, url=B, executor="resize")
    await die(api.store, "a-other", ago=timedelta(minutes=5), reason="http_error")
    await unreadable(api.store, "m", ago=timedelta(minutes=1))
    found = await dead_letter_groups(api.store, TaskFilter(), bucket=HOUR, now=NOW)
    assert [(each.executor, each.host, each.reason, each.count) for each in found.groups] == [
        ("http", "a.test", "timeout", 3),
        ("http", "a.test", "http_error", 1),
        ("resize", "b.test:8080", "timeout", 1),
        (None, None, "unreadable", 1),
    ]
    largest = found.groups[0]
    assert found.buckets[-1] == NOW.replace(minute=0)
    assert len(found.buckets) == len(largest.counts) == 24
    assert largest.counts[-2:] == (2, 0)
    assert sum(largest.counts) == 2
    assert (largest.first_at, largest.last_at) == (NOW - 30 * HOUR, NOW - timedelta(minutes=40))
    assert (found.counted, found.other, found.complete, found.since) == (6, 0, True, None)


async def test_a_group_by_days_and_its_conditions_select_it(api: Api) -> None:
    """Over the route; the conditions are those of the list, and of operations."""
    now = datetime.now(UTC)
    died = [now - days * DAY for days in (0, 3, 3)]
    for number, at in enumerate(died):
        await die(api.store, f"a{number}", ago=NOW - at)
    await die(api.store, "b", ago=NOW - now, url=B)
    path = "/dead-letter-groups?bucket=1d&executor=http&host=a.test&reason=timeout"
    answer = (await api.get(path)).json
    (group,) = answer["groups"]
    assert (group["host"], group["count"]) == ("a.test", 3)
    days = [datetime.fromisoformat(each) for each in answer["buckets"]]
    assert len(days) == 30
    # By the buckets of the answer: midnight may have passed.
    assert group["counts"] == [sum(day <= at < day + DAY for at in died) for day in days]
    listed = (await api.get("/dead-letters?executor=http&host=a.test&reason=timeout")).json
    assert len(listed["dead_letters"]) == group["count"]
    await api.refusal(400, "bad_query", "GET", "/dead-letter-groups?bucket=1w")
    await api.refusal(400, "bad_query", "GET", "/dead-letter-groups?status=failed")


class WatchedStore:
    """Counts the reads of dead letters that go on, and holds them up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.gate = asyncio.Event()
        self.reading = self.most = self.ended = 0

    async def list_dead_letters(self, **given: Any) -> Page[DeadLetter]:
        self.reading += 1
        self.most = max(self.most, self.reading)
        await self.gate.wait()
        self.reading -= 1
        self.ended += 1
        return await self._store.list_dead_letters(**given)


async def test_few_look_at_a_time(api: Api) -> None:
    """The others wait, and are answered."""
    watched = WatchedStore(api.store)
    grouper = LetterGrouper(cast(DeadLetterStore, watched))
    asked = [asyncio.create_task(grouper.groups(TaskFilter(), bucket=HOUR, now=NOW)) for _ in range(9)]
    await eventually(lambda: watched.reading)
    watched.gate.set()
    assert [each.complete for each in await asyncio.gather(*asked)] == [True] * 9
    assert (watched.most, watched.ended) == (2, 9)


async def test_only_so_many_are_looked_at(api: Api) -> None:
    """The newest; the answer says since when. With none left, it is complete."""
    for number in range(5):
        await die(api.store, f"a{number}", ago=number * HOUR)
    part = await dead_letter_groups(api.store, TaskFilter(), bucket=HOUR, now=NOW, most_counted=3)
    assert (part.counted, part.complete, part.since) == (3, False, NOW - 2 * HOUR)
    every = await dead_letter_groups(api.store, TaskFilter(), bucket=HOUR, now=NOW, most_counted=5)
    assert (every.counted, every.complete, every.since) == (5, True, None)


async def test_no_older_letter_is_read_than_can_match(api: Api) -> None:
    """With a time of death, the bound is not reached."""
    for number in range(5):
        await die(api.store, f"a{number}", ago=number * HOUR)
    recent = TaskFilter(finished_after=NOW - 2 * HOUR)
    found = await dead_letter_groups(api.store, recent, bucket=HOUR, now=NOW, most_counted=3)
    assert (found.counted, found.complete) == (3, True)


async def test_small_groups_beyond_the_limit_are_counted_together(api: Api) -> None:
    """The answer stays small, whatever reasons there are."""
    for number in range(MOST_GROUPS + 2):
        await die(api.store, f"a{number}", ago=HOUR, reason=f"reason-{number:03}")
    found = await dead_letter_groups(api.store, TaskFilter(), bucket=HOUR, now=NOW)
    assert (len(found.groups), found.counted, found.other) == (MOST_GROUPS, MOST_GROUPS + 2, 2)


async def test_a_key_groups_its_own(api: Api) -> None:
    """Messages are nobody's."""
    key = bearer(await api.make_key("mine", *OWN))
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    await die(api.store, "mine~a", ago=HOUR, created_by="mine")
    await die(api.store, "theirs~a", ago=HOUR, created_by="theirs")
    await unreadable(api.store, "m", ago=HOUR)
    for headers, count in ((key, 1), (boss, 3)):
        answer = await api.ask("GET", "/dead-letter-groups", headers=headers)
        assert answer.json["counted"] == count


@pytest.mark.parametrize("bucket", [HOUR, DAY])
def test_the_last_bucket_is_the_one_that_runs(bucket: timedelta) -> None:
    """In UTC, on the hour or at midnight."""
    begins = bucket_begins(bucket, NOW)
    assert begins[-1] <= NOW < begins[-1] + bucket
    assert {later - earlier for earlier, later in pairwise(begins)} == {bucket}
    assert begins[-1].minute == 0
