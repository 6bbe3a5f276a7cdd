"""What lies in Redis: keys, their time to live, scripts, and what is left when somebody removes them."""

import asyncio
from collections.abc import Sequence
from ssl import SSLContext
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as DriverConnectionError

from taskrunner.domain.backends.redis_url import RedisUrl
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.status import LIVE, TERMINAL, Status
from taskrunner.stores.base import AcceptAnswer, ClaimAnswer, Store
from taskrunner.stores.redis.connections import make_connection
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    RedisBackend,
    bring,
    claim,
    entries,
    entry,
    make_task,
    message,
    ref,
    settling,
)
from tests.contract.stores.redis.server import PrivateRedis
from tests.tools.waiting import PATIENCE, eventually


def ttls(server: PrivateRedis, backend: RedisBackend) -> dict[str, int]:
    """Milliseconds to live of every key, by its name without the prefix; -1 is for ever."""
    keys: Sequence[str] = server.command("KEYS", "*")
    assert all(key.startswith(f"{backend.settings.prefix}:") for key in keys)
    prefix = len(backend.settings.prefix) + 1
    return {key[prefix:]: server.command("PTTL", key) for key in keys}


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_every_key_of_a_finished_task_has_a_time_to_live(
    server: PrivateRedis, backend: RedisBackend, store: Store, status: Status
) -> None:
    """Its hash and its idempotency key; two keys are all that a task has."""
    task_id = await bring(store, status, idempotency_key="k", fingerprint="f")
    found = ttls(server, backend)
    for key in (f"task:{task_id}", "key:k"):
        assert 0 < found.pop(key) <= KEEP * 1000
    dead = {"dead"} if status is Status.FAILED else set()
    assert set(found) == {f"in:{status}", "retention"} | dead


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_no_key_of_a_live_task_has_a_time_to_live(
    server: PrivateRedis, backend: RedisBackend, store: Store, status: Status
) -> None:
    """A task that lives long must not lose its record."""
    await bring(store, status, idempotency_key="k", fingerprint="f")
    assert set(ttls(server, backend).values()) == {-1}


async def test_a_requeued_task_lives_on(server: PrivateRedis, backend: RedisBackend, store: Store) -> None:
    """The times to live of its failure are taken back."""
    task_id = await bring(store, Status.FAILED, idempotency_key="k", fingerprint="f")
    await store.requeue([task_id], now=NOW, due=NOW)
    assert set(ttls(server, backend).values()) == {-1}


async def test_after_pruning_nothing_is_left(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """Neither keys nor entries, be the hashes still there or gone by themselves."""
    for status in TERMINAL:
        await bring(store, status, idempotency_key=f"k {status}", fingerprint="f")
    await store.add_dead_messages([message("m")], retention=0.001)
    await store.add_dead_messages([message("n")], retention=KEEP)
    await store.prune(now=NOW + DAY, limit=100)
    assert ttls(server, backend) == {}


async def test_a_record_that_went_by_itself_is_no_obstacle(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """Until it is pruned its entries are passed over."""
    ids = sorted([await bring(store, status) for status in (Status.FAILED, Status.SUCCEEDED, Status.FAILED)])
    server.command("DEL", f"{backend.settings.prefix}:task:{ids[2]}")
    page = await store.list_tasks(None, limit=1, cursor=None)
    assert [record.task.id for record in page.items] == [ids[1]]
    letters = await store.list_dead_letters(limit=5, cursor=None)
    assert [letter.id for letter in letters.items] == [ids[0]]
    assert await store.dead_letter(ids[2]) is None
    assert await store.prune(now=NOW + DAY, limit=10) == 3


async def test_a_live_record_that_was_removed_leaves_no_line(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """An evicted record does not come up as due for ever, nor is it counted."""
    task_id = await bring(store, Status.QUEUED)
    server.command("DEL", f"{backend.settings.prefix}:task:{task_id}")
    assert await store.take_due(now=NOW + DAY, limit=5, hold=1.0) == []
    assert ttls(server, backend) == {}


async def test_scripts_that_were_flushed_are_loaded_again(server: PrivateRedis, store: Store) -> None:
    """Without an error to the caller, also when many callers find out at once."""
    await bring(store, Status.QUEUED)
    server.command("SCRIPT", "FLUSH")
    await asyncio.gather(*(store.accept(entries(2)) for _ in range(5)))
    assert (await store.counts())[Status.SCHEDULED] == 10


async def test_data_that_was_flushed_is_just_unknown(server: PrivateRedis, store: Store) -> None:
    """A delivery of a lost record is to be adopted; new tasks are taken."""
    task_id = await bring(store, Status.QUEUED)
    server.command("FLUSHALL")
    assert [answer.answer for answer in await claim(store, [ref(task_id)])] == [ClaimAnswer.UNKNOWN]
    assert await store.get(task_id) is None
    (answer,) = await store.accept([entry()])
    assert answer.answer is AcceptAnswer.CREATED


class Deaf:
    """Makes connections that lose the next answer when told to: the call took effect, nobody heard of it."""

    def __init__(self) -> None:
        self.lose = 0

    def __call__(
        self, settings: RedisSettings, endpoint: RedisUrl, context: SSLContext | None
    ) -> AbstractConnection:
        connection = make_connection(settings, endpoint, context)
        read = connection.read_response

        async def read_or_lose(*args: Any, **options: Any) -> Any:
            answer = await read(*args, **options)
            if self.lose:
                self.lose -= 1
                raise DriverConnectionError("connection reset by test")
            return answer

        connection.read_response = read_or_lose  # type: ignore[method-assign]  # a fault on the wire
        return connection


async def test_an_answer_that_was_lost_is_given_again(server: PrivateRedis) -> None:
    """Every change is sent again under its token, and answers as it did the first time."""
    deaf = Deaf()
    store = RedisStore(RedisSettings(address=server.url), Events(), make_connection=deaf)
    await store.start()
    await store.wait_ready(PATIENCE)
    new = entry()
    done: list[object] = []
    deaf.lose = 1
    done += [answer.answer for answer in await store.accept([new, new])]
    deaf.lose = 1
    done += [answer.answer for answer in await claim(store, [ref(new.id), ref(new.id)])]
    deaf.lose = 1
    done += await store.settle([settling(new.id, 1, Status.FAILED)] * 2, now=NOW)
    deaf.lose = 1
    done += [due is not None for due in await store.requeue([new.id] * 2, now=NOW, due=NOW)]
    deaf.lose = 1
    done += await store.fail([ref(new.id, 2)] * 2, now=NOW, reason="r", error="e", retention=KEEP)
    deaf.lose = 1
    done += await store.delete([new.id] * 2, now=NOW, retention=KEEP)
    assert deaf.lose == 0
    assert done == [
        *(AcceptAnswer.CREATED, AcceptAnswer.EXISTS),
        *(ClaimAnswer.CLAIMED, ClaimAnswer.HELD),
        *(True, False) * 4,
    ]
    await store.stop()


async def test_a_store_without_retries_gives_up_at_once(server: PrivateRedis) -> None:
    """`max_retries` is how often, not whether."""
    deaf = Deaf()
    store = RedisStore(RedisSettings(address=server.url, max_retries=0), Events(), make_connection=deaf)
    await store.start()
    await store.wait_ready(PATIENCE)
    deaf.lose = 1
    with pytest.raises(Exception, match="cannot reach Redis"):
        await store.accept([entry()])
    await store.stop()


def clients(server: PrivateRedis) -> int:
    return len(server.command("CLIENT", "LIST").splitlines())


async def test_connections_go_with_the_store(server: PrivateRedis, backend: RedisBackend) -> None:
    """After `stop` the server has none of ours left."""
    before = clients(server)
    store = await backend.open()
    await asyncio.gather(*(store.counts() for _ in range(50)))
    assert 1 < clients(server) - before <= 16
    await store.stop()
    await eventually(lambda: clients(server) <= before)


async def test_warnings_of_settings_that_weaken_our_promises(
    server: PrivateRedis, backend: RedisBackend
) -> None:
    """Losing tasks by a crash or by eviction is the operator's choice, but a known one."""
    assert (await backend.open()).status().warnings == ()
    server.command("CONFIG", "SET", "appendonly", "no")
    server.command("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru")
    warnings = " ".join((await backend.open()).status().warnings)
    assert "appendonly off" in warnings
    assert "maxmemory-policy allkeys-lru" in warnings


async def test_a_server_that_keeps_its_settings_to_itself(server: PrivateRedis) -> None:
    """Managed ones do; then the warning is that it is not known."""
    server.command("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all", "-config", "-info")
    backend = RedisBackend(server.url, user="guest", password="secret")
    warnings = (await backend.open()).status().warnings
    assert len(warnings) == 3
    assert all("unknown" in warning for warning in warnings)
    await backend.close()


async def test_a_key_whose_record_is_gone_stands_for_nobody(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """An evicted task must not make its client's next submit vanish."""
    task_id = await bring(store, Status.QUEUED, idempotency_key="k", fingerprint="f")
    server.command("DEL", f"{backend.settings.prefix}:task:{task_id}")
    (answer,) = await store.accept([entry(idempotency_key="k", fingerprint="other")])
    assert answer.answer is AcceptAnswer.CREATED


async def test_a_live_record_is_not_pruned_by_a_stray_line(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """It is worse to lose a task than to keep a line."""
    task_id = await bring(store, Status.QUEUED)
    server.command("ZADD", f"{backend.settings.prefix}:retention", 1, f"t:{task_id}")
    await store.prune(now=NOW, limit=10)
    assert await store.get(task_id) is not None


async def test_messages_have_a_time_to_live(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """And removing one leaves nothing."""
    await store.add_dead_messages([message("m")], retention=KEEP)
    assert 0 < ttls(server, backend)["dead-message:m"] <= KEEP * 1000
    await store.remove_dead_message("m")
    assert ttls(server, backend) == {}


async def test_an_answer_of_many_bytes_comes_in_parts(store: Store) -> None:
    """A relay that asks for a thousand tasks of a MiB does not get a GiB."""
    await store.accept([entry(make_task(body="x" * 1_000_000)) for _ in range(20)])
    assert 0 < len(await store.take_due(now=NOW, limit=20, hold=60.0)) < 20


async def test_more_than_lua_can_unpack(store: Store) -> None:
    """A call over 5,000 tasks, where Lua's stack ends at 8,000 values."""
    tasks = entries(5000)
    await store.accept(tasks)
    assert len(await store.take_due(now=NOW, limit=5000, hold=0.0)) == 5000
    await claim(store, [ref(new.id) for new in tasks])
    await store.settle([settling(new.id, 1, Status.FAILED) for new in tasks], now=NOW)
    assert await store.prune(now=NOW + DAY, limit=5000) == 5000
