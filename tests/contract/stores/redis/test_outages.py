"""Outages of Redis: calls fail soon and clearly, they are told once, and the store finds back by itself."""

import asyncio
import signal

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events, ServiceLost, ServiceRestored
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from tests.contract.stores.harness import RedisBackend, bring, entries, entry, status_of
from tests.contract.stores.redis.server import PrivateRedis
from tests.tools.waiting import PATIENCE, eventually, in_time


def told(backend: RedisBackend) -> list[type]:
    return [type(event) for event in backend.events]


async def back(store: Store) -> None:
    await eventually(lambda: store.status().connected)


async def refused(store: Store, reason: str) -> StoreUnavailable:
    """Wait until the store has been refused; answers the error, which tells this reason."""
    await eventually(lambda: store.status().error)
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        await store.wait_ready(0.01)
    return caught.value


async def test_a_restart_is_survived(server: PrivateRedis, backend: RedisBackend, store: Store) -> None:
    """While it is away calls fail at once; afterwards everything is there. Told once each."""
    task_id = await bring(store, Status.QUEUED)
    server.down()
    await eventually(lambda: not store.status().connected)
    async with in_time("calls fail at once"):
        for _ in range(20):
            with pytest.raises(StoreUnavailable, match=server.address):
                await store.accept(entries(1))
    server.up()
    await back(store)
    assert await status_of(store, task_id) is Status.QUEUED
    assert told(backend) == [ServiceLost, ServiceRestored]
    assert (store.status().reconnects, store.status().error) == (1, None)


async def test_a_crash_is_noticed_by_the_call_it_meets(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """The error names the address, and says more than that the time limit of a call was over."""
    server.down(kill=True)
    with pytest.raises(StoreUnavailable, match=f"cannot reach Redis at {server.address}"):
        await store.accept(entries(1))
    assert told(backend) == [ServiceLost]
    server.up()
    await back(store)
    await store.accept(entries(1))


async def test_connections_that_went_stale_are_replaced(server: PrivateRedis, store: Store) -> None:
    """A restart that nobody noticed costs no call."""
    await asyncio.gather(*(store.get("x") for _ in range(10)))
    server.down()
    server.up()
    await asyncio.gather(*(store.get("x") for _ in range(10)))


async def test_a_server_that_is_away_at_the_start(server: PrivateRedis, backend: RedisBackend) -> None:
    """`start` returns, waiting ends with the reason, and the store is ready once the server is there."""
    server.down()
    events = Events()
    events.subscribe(backend.events.append)
    store = backend.make(events)
    await store.start()
    await refused(store, f"cannot reach Redis at {server.address}")
    server.up()
    await store.wait_ready(PATIENCE)
    await store.accept(entries(1))
    assert told(backend) == [ServiceLost, ServiceRestored]
    assert store.status().reconnects == 0
    await store.stop()


async def test_calls_before_the_first_connection_fail(server: PrivateRedis, backend: RedisBackend) -> None:
    """They do not wait for it: that is what `wait_ready` is for."""
    store = backend.make(Events())
    with pytest.raises(StoreUnavailable, match="still connecting"):
        await store.ping()
    await store.stop()


async def test_a_server_that_hangs(server: PrivateRedis) -> None:
    """A call ends by its time limit, and the socket that hung is not used again."""
    backend = RedisBackend(server.url, timeout=3.0)
    store = await backend.open()
    server.signal(signal.SIGSTOP)
    try:
        async with in_time("two calls end by their time limit"):
            with pytest.raises(StoreUnavailable, match=r"did not answer within 3 s"):
                await store.ping()
            with pytest.raises(StoreUnavailable):
                await store.ping()
    finally:
        server.signal(signal.SIGCONT)
    await back(store)
    await store.ping()
    assert told(backend) == [ServiceLost, ServiceRestored]
    await backend.close()


async def test_a_wrong_password(server: PrivateRedis) -> None:
    """The error says what to check and never the password; the right one lets the store in."""
    server.command("CONFIG", "SET", "requirepass", "right-secret")
    backend = RedisBackend(server.url, password="wrong-secret")
    events = Events()
    events.subscribe(backend.events.append)
    store = backend.make(events)
    await store.start()
    error = await refused(store, r"refuses our user or password: check Redis\.")
    shown = f"{error} {error.__cause__} {backend.settings} {backend.events} {store.status()}"
    assert "secret" not in shown
    server.command("CONFIG", "SET", "requirepass", "wrong-secret", password="right-secret")
    await store.wait_ready(PATIENCE)
    assert told(backend) == [ServiceLost, ServiceRestored]
    await store.stop()


async def test_a_password_that_is_missing(server: PrivateRedis, backend: RedisBackend) -> None:
    """The same error, since the same thing is to be checked."""
    server.command("CONFIG", "SET", "requirepass", "secret")
    store = backend.make(Events())
    await store.start()
    await refused(store, "refuses our user or password")
    await store.stop()


async def test_a_primary_that_becomes_a_replica(
    server: PrivateRedis, backend: RedisBackend, store: Store
) -> None:
    """Its refusal is an outage; once it is a primary again the store goes on."""
    server.command("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(StoreUnavailable, match="read-only replica"):
        await store.accept(entries(1))
    server.command("REPLICAOF", "NO", "ONE")
    await back(store)
    await store.accept(entries(1))
    assert told(backend) == [ServiceLost, ServiceRestored]


async def test_a_replica_from_the_start(server: PrivateRedis, backend: RedisBackend) -> None:
    """A store is not ready that can only be read."""
    server.command("REPLICAOF", "127.0.0.1", 1)
    store = backend.make(Events())
    await store.start()
    await refused(store, "read-only replica")
    await store.stop()


async def test_a_server_without_memory(server: PrivateRedis, backend: RedisBackend, store: Store) -> None:
    """Writes are refused whole, reads go on, and it is told once however often it happens."""
    task_id = await bring(store, Status.QUEUED)
    refused = entries(3)
    server.command("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="out of memory"):
            await store.accept(refused)
    assert not store.status().connected
    assert await status_of(store, task_id) is Status.QUEUED
    server.command("CONFIG", "SET", "maxmemory", "0")
    await back(store)
    assert (await store.counts())[Status.SCHEDULED] == 0
    await store.accept(refused)
    assert told(backend) == [ServiceLost, ServiceRestored]


async def test_a_server_without_its_replicas(server: PrivateRedis, store: Store) -> None:
    """Too few replicas in step is the same kind of refusal."""
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match="too few replicas"):
        await store.accept([entry()])
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    await back(store)
    await store.accept([entry()])


async def test_a_user_whose_rights_do_not_ssrf_policy(server: PrivateRedis) -> None:
    """A command that is forbidden is found before the first task, not in the middle of a change."""
    server.command("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "+@all", "-zadd")
    backend = RedisBackend(server.url, user="narrow", password="secret")
    store = backend.make(Events())
    await store.start()
    await refused(store, r"forbids a command to our user.*zadd")
    await store.stop()


async def test_commands_that_only_help_are_not_needed(server: PrivateRedis) -> None:
    """A user who may neither name its connection nor ask for the time works like any other."""
    rights = ("+@all", "-client", "-time", "-config", "-info")
    server.command("ACL", "SETUSER", "bare", "on", ">secret", "~*", *rights)
    backend = RedisBackend(server.url, user="bare", password="secret")
    store = await backend.open()
    assert await store.time() is None
    assert store.status().connected
    for status in Status:
        await bring(store, status)
    await backend.close()


async def test_rights_on_our_keys_are_enough(server: PrivateRedis) -> None:
    """A server that is shared can keep us to our prefix."""
    backend = RedisBackend(server.url, user="ours", password="secret")
    keys = f"~{backend.settings.prefix}:*"
    server.command("ACL", "SETUSER", "ours", "on", ">secret", keys, "+@all", "-@admin")
    store = await backend.open()
    for status in Status:
        await bring(store, status)
    assert sum((await store.counts()).values()) == len(Status)
    await backend.close()
