"""Hosts: a state is changed only over the version that the change was made from; limits go by pattern."""

import asyncio
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import AttemptRef, SnoozeRequest, Store
from taskrunner.stores.host_store import HostEdit, HostEntry
from taskrunner.stores.values import Place
from tests.contract.stores.harness import DAY, NOW, Backend, bring, claim, fetch, ref

HOUR = timedelta(hours=1)


def state(host: str = "a.test", version: str = "v1", until: datetime = NOW + HOUR) -> HostEntry:
    return HostEntry(host=host, version=version, encoded=b'{"who":"\xc3\xa4 b"}', until=until)


async def write(store: Store, entry: HostEntry, expected: str | None = None) -> HostEntry | bool | None:
    """True, or what stands there instead."""
    (answer,) = await store.write_hosts([HostEdit(entry=entry, expected=expected)], now=NOW)
    return True if answer.written else answer.current


async def test_what_is_written_can_be_read(store: Store) -> None:
    """Every field, to the millisecond; a host that nobody wrote is None."""
    assert await write(store, state("[2001:db8::1]:8080")) is True
    assert await store.host("[2001:db8::1]:8080") == state("[2001:db8::1]:8080")
    assert await store.host("b.test") is None


async def test_many_are_read_in_the_order_in_which_they_are_asked_for(store: Store) -> None:
    """One that is asked for twice is answered twice; to ask for none is no fault."""
    names = [f"{number}.test" for number in range(1200)]
    edits = [HostEdit(entry=state(name), expected=None) for name in names[:3]]
    await store.write_hosts(edits, now=NOW)
    found = await store.hosts([*reversed(names), names[1]])
    assert [entry.host for entry in found if entry is not None] == ["2.test", "1.test", "0.test", "1.test"]
    assert found[-2:] == [state("0.test"), state("1.test")]
    assert await store.hosts([]) == []


async def test_a_change_needs_the_version_it_knows(store: Store) -> None:
    """Whoever is refused is told what stands there, and can go on from that at once."""
    assert await write(store, state()) is True
    assert await write(store, state(version="v2")) == state()
    assert await write(store, state(version="v2"), "v0") == state()
    assert await write(store, state(version="v2"), "v1") is True
    assert await store.host("a.test") == state(version="v2")


async def test_a_state_that_has_gone_is_told_as_none(store: Store) -> None:
    """So that the next try makes it anew."""
    assert await write(store, state(), "v7") is None
    assert await store.host("a.test") is None


async def test_a_change_that_is_repeated_is_written(store: Store) -> None:
    """Whoever did not hear the answer asks again."""
    for _ in range(2):
        assert await write(store, state()) is True
    for _ in range(2):
        assert await write(store, state(version="v2"), "v1") is True


async def test_each_edit_of_a_batch_is_for_itself(store: Store) -> None:
    await write(store, state("a.test"))
    edits = [
        HostEdit(entry=state("a.test", "v2"), expected="v1"),
        HostEdit(entry=state("b.test", "v2"), expected="v1"),
        HostEdit(entry=state("c.test", "v2"), expected=None),
    ]
    answers = await store.write_hosts(edits, now=NOW)
    assert [answer.written for answer in answers] == [True, False, True]
    assert await store.write_hosts([], now=NOW) == []


async def test_of_a_crowd_one_is_written_at_a_time(backend: Backend) -> None:
    """Counting up by many at once loses no count, on whatever instance of the store."""
    stores = [await backend.open() for _ in range(2)]
    await write(stores[0], state(version="0"))

    async def count_up(store: Store, name: str) -> None:
        entry = state(version="0")
        while True:
            number = int(entry.version.partition("-")[0])
            found = await write(store, state(version=f"{number + 1}-{name}"), entry.version)
            if found is True:
                return
            assert isinstance(found, HostEntry)
            entry = found

    await asyncio.gather(*(count_up(stores[n % 2], str(n)) for n in range(12)))
    entry = await stores[0].host("a.test")
    assert entry is not None
    assert entry.version.partition("-")[0] == "12"


async def test_many_make_the_first_state_at_once(backend: Backend) -> None:
    """One is written, the others are told of it."""
    stores = [await backend.open() for _ in range(2)]
    found = await asyncio.gather(*(write(stores[n % 2], state(version=str(n))) for n in range(6)))
    entry = await stores[0].host("a.test")
    assert entry is not None
    assert sorted(str(each) for each in found) == sorted(["True", *[str(entry)] * 5])


async def test_live_states_are_listed_and_others_go(store: Store) -> None:
    """Those that matter for the longest first; what means nothing any more is removed in time."""
    for number in range(5):
        await write(store, state(f"{number}.test", until=NOW + number * HOUR))
    live = await store.live_hosts(now=NOW + 2 * HOUR, limit=10)
    assert [entry.host for entry in live] == ["4.test", "3.test"]
    assert await store.live_hosts(now=NOW, limit=1) == [state("4.test", until=NOW + 4 * HOUR)]
    await store.write_hosts(
        [HostEdit(entry=state("new.test", until=NOW + DAY), expected=None)], now=NOW + 3 * HOUR
    )
    await store.prune(now=NOW + 3 * HOUR, limit=100)
    assert await store.host("2.test") is None
    assert {entry.host for entry in await store.live_hosts(now=NOW, limit=10)} == {"4.test", "new.test"}


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
async def test_live_hosts_go_on_behind_a_place(store: Store, limit: int) -> None:
    """Of one moment by descending host, also if the one at the place has gone; each is there once."""
    for number, name in enumerate(("a.test", "b.test", "B.test:1", "c.test", "d.test")):
        await write(store, state(name, until=NOW + HOUR * (1 + number // 3)))
    expected = ["d.test", "c.test", "b.test", "a.test", "B.test:1"]
    found: list[str] = []
    after: Place | None = None
    while True:
        entries = await store.live_hosts(now=NOW, limit=limit, after=after)
        found += [entry.host for entry in entries]
        if len(entries) < limit:
            break
        after = Place(ms=to_ms(entries[-1].until), id=entries[-1].host)
    assert found == expected
    gone = Place(ms=to_ms(NOW + HOUR), id="aa.test")
    assert [entry.host for entry in await store.live_hosts(now=NOW, limit=9, after=gone)] == expected[3:]
    void = await store.live_hosts(now=NOW + HOUR, limit=9, after=Place(ms=to_ms(NOW + 9 * HOUR), id=""))
    assert [entry.host for entry in void] == expected[:2]


async def test_limits_go_by_pattern(store: Store) -> None:
    """The last one given counts, and one is removed only by who knows it."""
    assert await store.host_limits() == {}
    first, second, other = b'{"rate":1.0}', b'{"rate":2.0}', b'{"concurrency":1}'
    assert await store.change_host_limit("*", first, expected=None)
    assert await store.change_host_limit("*.a.test:8443", other, expected=None)
    assert await store.change_host_limit("*", second, expected=first)
    assert await store.host_limits() == {"*": second, "*.a.test:8443": other}
    assert not await store.change_host_limit("*", None, expected=first)
    assert not await store.change_host_limit("*.a.test:8443", None, expected=None)
    assert await store.change_host_limit("*", None, expected=second)
    assert await store.change_host_limit("*", None, expected=second)
    assert await store.host_limits() == {"*.a.test:8443": other}


async def test_a_limit_is_changed_only_from_what_was_read(store: Store) -> None:
    """Of two changes at once one is made; a repeated call, its answer lost, counts as made."""
    first, second, third = b'{"rate":1.0}', b'{"rate":2.0}', b'{"rate":3.0}'
    assert not await store.change_host_limit("a.test", second, expected=first)
    assert await store.host_limits() == {}
    assert await store.change_host_limit("a.test", first, expected=None)
    assert await store.change_host_limit("a.test", first, expected=None)
    assert not await store.change_host_limit("a.test", second, expected=None)
    made = await asyncio.gather(
        *(store.change_host_limit("a.test", each, expected=first) for each in (second, third))
    )
    assert sorted(made) == [False, True]
    assert await store.host_limits() == {"a.test": second if made[0] else third}


async def test_a_snooze_tells_why_and_is_counted(store: Store) -> None:
    """As long as the task waits for it; no attempt is counted, and a late mark of its publish is void."""
    ids = [await bring(store, Status.QUEUED) for _ in range(2)]
    for turn in (1, 2):
        snoozes = [
            SnoozeRequest(id=ids[0], attempt=1, due=NOW + turn * HOUR, waits_for="a.test: rate limit"),
            SnoozeRequest(id=ids[1], attempt=1, due=NOW + turn * DAY),
        ]
        assert await store.snooze(snoozes, now=NOW) == [True, True]
        first, second = [await fetch(store, task_id) for task_id in ids]
        assert (first.due, first.snoozes, first.waits_for) == (NOW + turn * HOUR, turn, "a.test: rate limit")
        assert (second.due, second.snoozes, second.waits_for) == (NOW + turn * DAY, 0, None)
        assert (first.status, first.attempt) == (Status.SCHEDULED, 0)
    late = AttemptRef(id=ids[0], attempt=1, snoozes=1)
    await store.mark_queued([late], now=NOW, due=NOW + DAY)
    assert (await fetch(store, ids[0])).status is Status.SCHEDULED
    (due,) = await store.take_due(now=NOW + 2 * HOUR, limit=1, hold=10)
    assert (due.id, due.snoozes) == (ids[0], 2)
    await store.mark_queued([replace(late, snoozes=due.snoozes)], now=NOW, due=NOW + DAY)
    assert (await fetch(store, ids[0])).status is Status.QUEUED
    await claim(store, [ref(ids[0])])
    first = await fetch(store, ids[0])
    assert (first.snoozes, first.waits_for) == (2, None)


async def test_a_snooze_that_is_repeated_is_counted_once(store: Store) -> None:
    """By a caller who did not hear the answer, or of a task that was delivered twice."""
    task_id = await bring(store, Status.QUEUED)
    item = SnoozeRequest(id=task_id, attempt=1, due=NOW + HOUR, waits_for="a.test: rate limit")
    assert await store.snooze([item, item], now=NOW) == [True, True]
    assert await store.snooze([item], now=NOW) == [True]
    assert (await fetch(store, task_id)).snoozes == 1
    assert await store.snooze([replace(item, due=NOW + DAY)], now=NOW) == [True]
    assert (await fetch(store, task_id)).snoozes == 2


async def test_a_snooze_to_the_moment_it_was_due_is_counted(store: Store) -> None:
    """The relay hides a task for as long as a pause snoozes it; the late mark of its publish is void."""
    task_id = await bring(store, Status.SCHEDULED)
    due = (await fetch(store, task_id)).due
    assert due is not None
    assert await store.snooze(
        [SnoozeRequest(id=task_id, attempt=1, due=due, waits_for="paused")], now=NOW
    ) == [True]
    await store.mark_queued([AttemptRef(id=task_id, attempt=1)], now=NOW, due=NOW + DAY)
    record = await fetch(store, task_id)
    assert (record.status, record.snoozes) == (Status.SCHEDULED, 1)
