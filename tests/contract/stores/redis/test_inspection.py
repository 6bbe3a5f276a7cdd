"""Every inconsistency of keys that a fault or a hand can leave behind is found, and put right."""

from collections.abc import Callable

import pytest

from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from taskrunner.stores.inspection_store import Flaw, Flawed
from taskrunner.stores.redis.inspection_store import WalkPosition
from tests.contract.stores.harness import DAY, KEEP, NOW, RedisBackend, bring, entries, fetch, make_task
from tests.contract.stores.redis.server import PrivateRedis
from tests.contract.stores.redis.test_keys import ttls

Raw = Callable[..., object]
LEASE = NOW + DAY


@pytest.fixture
def raw(server: PrivateRedis, backend: RedisBackend) -> Raw:
    """Sends a command whose key is named without its prefix."""
    return lambda verb, key, *args: server.command(verb, f"{backend.settings.prefix}:{key}", *args)


async def findings(store: Store) -> list[tuple[str, Flaw]]:
    found: list[Flawed] = []
    cursor: str | None = None
    while True:
        page = await store.inspect(cursor=cursor, limit=100)
        found += page.flawed
        cursor = page.cursor
        if cursor is None:
            return [(each.id, each.flaw) for each in found]


async def heal(store: Store, task_id: str) -> list[bool]:
    """Twice: the second repair has nothing to do."""
    moments = {"now": NOW, "lease_until": LEASE}
    return [(await store.repair([task_id], **moments, retention=KEEP))[0] for _ in range(2)]


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.QUEUED, Status.RETRYING, Status.RUNNING])
async def test_a_live_task_without_a_due_line(store: Store, raw: Raw, status: Status) -> None:
    """It is due again; one that runs gets a lease, since its consumer may be alive."""
    task_id = await bring(store, status)
    raw("ZREM", "due", task_id)
    assert await findings(store) == [(task_id, Flaw.NOT_DUE)]
    assert await heal(store, task_id) == [True, False]
    assert (await fetch(store, task_id)).due == (LEASE if status is Status.RUNNING else NOW)
    assert await findings(store) == []


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_finished_task_with_a_due_line(store: Store, raw: Raw, status: Status) -> None:
    task_id = await bring(store, status)
    raw("ZADD", "due", 1, task_id)
    assert await findings(store) == [(task_id, Flaw.DUE_THOUGH_ENDED)]
    assert await heal(store, task_id) == [True, False]
    assert raw("ZSCORE", "due", task_id) is None
    assert await findings(store) == []


@pytest.mark.parametrize(
    ("verb", "key", "args"),
    [
        ("ZREM", "in:failed", ()),
        ("ZADD", "in:running", (0,)),
        ("ZADD", "in:succeeded", (0,)),
        ("ZADD", "deadlines", (1,)),
    ],
)
async def test_a_task_in_the_wrong_index(
    store: Store, raw: Raw, verb: str, key: str, args: tuple[int, ...]
) -> None:
    """The record says where it belongs."""
    task_id = await bring(store, Status.FAILED)
    raw(verb, key, *args, task_id)
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert await findings(store) == []
    assert {status for status, count in (await store.counts()).items() if count} == {Status.FAILED}


async def test_a_failed_task_that_is_no_dead_letter(store: Store, raw: Raw) -> None:
    """It is listed again, from the time at which it failed."""
    task_id = await bring(store, Status.FAILED)
    raw("ZREM", "dead", f"t:{task_id}")
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    (letter,) = (await store.list_dead_letters(limit=9, cursor=None)).items
    assert (letter.id, letter.died_at) == (task_id, NOW)


async def test_a_deadline_that_nobody_watches(store: Store, raw: Raw) -> None:
    task_id = await bring(store, Status.QUEUED, deadline=NOW + DAY)
    raw("ZREM", "deadlines", task_id)
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert [due.id for due in await store.past_deadline(now=NOW + DAY, limit=9)] == [task_id]


async def test_a_finished_task_that_would_stay_for_ever(
    server: PrivateRedis, backend: RedisBackend, store: Store, raw: Raw
) -> None:
    """It and its idempotency key go when it is time."""
    task_id = await bring(store, Status.SUCCEEDED, idempotency_key="k", fingerprint="f")
    raw("ZREM", "retention", f"t:{task_id}")
    for key in (f"task:{task_id}", "key:k"):
        raw("PERSIST", key)
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert 0 < ttls(server, backend)["key:k"] <= KEEP * 1000
    assert await store.prune(now=NOW + DAY, limit=9) == 1
    assert ttls(server, backend) == {}


async def test_a_live_task_that_would_go_by_itself(store: Store, raw: Raw) -> None:
    """Its line among what may go, and its time to live, are taken back."""
    task_id = await bring(store, Status.QUEUED)
    raw("ZADD", "retention", 1, f"t:{task_id}")
    raw("PEXPIRE", f"task:{task_id}", 3_600_000)
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert raw("PTTL", f"task:{task_id}") == -1


@pytest.mark.parametrize("status", list(Status))
async def test_lines_without_a_record(
    server: PrivateRedis, backend: RedisBackend, store: Store, raw: Raw, status: Status
) -> None:
    """Told once, however many lines there are, and removed. What is to be pruned anyway is no flaw."""
    task_id = await bring(store, status, deadline=NOW + DAY)
    raw("DEL", f"task:{task_id}")
    if status in {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}:
        assert await findings(store) == []
        raw("ZREM", "retention", f"t:{task_id}")
    assert await findings(store) == [(task_id, Flaw.NO_RECORD)]
    assert await heal(store, task_id) == [True, False]
    assert ttls(server, backend) == {}


async def test_entries_of_a_pruned_record_that_were_left_in_the_due_index(store: Store, raw: Raw) -> None:
    task_id = await bring(store, Status.FAILED)
    raw("DEL", f"task:{task_id}")
    raw("ZADD", "due", 1, task_id)
    assert await findings(store) == [(task_id, Flaw.NO_RECORD)]


@pytest.mark.parametrize("status", list(Status))
async def test_a_task_that_its_namespace_does_not_list(store: Store, raw: Raw, status: Status) -> None:
    """It is listed again, in its old place."""
    await bring(store, status)
    older = make_task(id="mine~a", created_at=NOW - DAY)
    for task in (older, make_task(id="mine~b")):
        await bring(store, status, task=task)
    raw("ZREM", f"in:{status}:mine~", older.id)
    assert await findings(store) == [(older.id, Flaw.MISFILED)]
    assert await heal(store, older.id) == [True, False]
    page = await store.list_tasks(status, limit=9, cursor=None, namespace="mine~")
    assert [record.task.id for record in page.items] == ["mine~b", "mine~a"]
    page = await store.list_tasks(status, limit=9, cursor=None)
    assert page.items[-1].task.id == older.id


@pytest.mark.parametrize("key", ["in:running:mine~", "dead:mine~"])
async def test_a_task_that_its_namespace_lists_wrongly(store: Store, raw: Raw, key: str) -> None:
    await bring(store, Status.QUEUED, task=make_task(id="mine~a"))
    raw("ZADD", key, 1, "t:mine~a" if key.startswith("dead") else "mine~a")
    assert await findings(store) == [("mine~a", Flaw.MISFILED)]
    assert await heal(store, "mine~a") == [True, False]
    assert raw("EXISTS", key) == 0


async def test_a_dead_letter_that_its_namespace_does_not_list(store: Store, raw: Raw) -> None:
    await bring(store, Status.FAILED, task=make_task(id="mine~a"))
    raw("DEL", "dead:mine~")
    assert await findings(store) == [("mine~a", Flaw.MISFILED)]
    assert await heal(store, "mine~a") == [True, False]
    letters = await store.list_dead_letters(limit=9, cursor=None, namespace="mine~")
    assert [letter.id for letter in letters.items] == ["mine~a"]


@pytest.mark.parametrize("left", ["in:queued:mine~", "in:failed:theirs~", "dead:zz~"])
async def test_lines_without_a_record_that_only_a_namespace_has(store: Store, raw: Raw, left: str) -> None:
    """Told once, wherever the walk is; and those of a record that is to be pruned are no flaw."""
    namespace = left.rpartition(":")[2]
    for begin in ("a~", "mine~", "theirs~", "zz~"):
        await bring(store, Status.QUEUED, task=make_task(id=f"{begin}whole"))
    lost = f"{namespace}lost"
    for key in (left, f"in:cancelled:{namespace}"):
        raw("ZADD", key, 1, f"t:{lost}" if key.startswith("dead") else lost)
    assert await findings(store) == [(lost, Flaw.NO_RECORD)]
    assert await heal(store, lost) == [True, False]
    assert await findings(store) == []


@pytest.mark.parametrize("status", list(Status))
async def test_lines_of_a_namespace_without_a_record(store: Store, raw: Raw, status: Status) -> None:
    """Told once, however many lines there are."""
    await bring(store, status, task=make_task(id="mine~a", expires_at=NOW + DAY))
    raw("DEL", "task:mine~a")
    raw("ZREM", "retention", "t:mine~a")
    assert await findings(store) == [("mine~a", Flaw.NO_RECORD)]
    assert await heal(store, "mine~a") == [True, False]
    assert await findings(store) == []
    page = await store.list_tasks(None, limit=9, cursor=None, namespace="mine~")
    assert list(page.items) == []


async def test_a_task_that_comes_up_without_a_record_leaves_its_namespace(store: Store, raw: Raw) -> None:
    """As the relay finds it."""
    await bring(store, Status.QUEUED, task=make_task(id="mine~a"))
    raw("DEL", "task:mine~a")
    assert await store.take_due(now=NOW + DAY, limit=9, hold=60.0) == []
    assert raw("EXISTS", "in:queued:mine~") == 0


async def test_a_walk_goes_past_other_keys(server: PrivateRedis, store: Store) -> None:
    """Of another prefix in the same database, and of a prefix with the characters of a pattern."""
    server.command("HSET", "{other}:task:x", "status", "queued")
    await store.accept(entries(700))
    assert await findings(store) == []
    assert WalkPosition().command("a[b]*:", 5)[3] == "a\\[b\\]\\*:task:*"
