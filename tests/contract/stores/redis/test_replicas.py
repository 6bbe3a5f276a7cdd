"""What a Redis says of its replicas, with a real one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from servers.fleet import Fleet

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from tests.contract.stores.harness import RedisBackend, entry, status_of
from tests.contract.stores.redis.server import PrivateRedis
from tests.tools.waiting import eventually


@pytest.fixture
def replica(server: PrivateRedis, tmp_path: Path) -> Iterator[PrivateRedis]:
    """A second server, which copies the first."""
    fleet = Fleet.create(tmp_path / "replica")
    try:
        fleet.start(["redis"])
        replica = PrivateRedis(fleet)
        replica.follow(server)
        yield replica
    finally:
        fleet.stop()


@pytest.fixture
async def patient(server: PrivateRedis) -> AsyncIterator[Store]:
    """A store that waits long enough for a replica that writes to its disk once a second."""
    backend = RedisBackend(server.url)
    yield await backend.open()
    await backend.close()


@pytest.fixture
async def store(server: PrivateRedis) -> AsyncIterator[Store]:
    """A store that soon gives up waiting for a replica."""
    backend = RedisBackend(server.url, timeout=3.0)
    yield await backend.open()
    await backend.close()


async def test_a_replica_confirms(server: PrivateRedis, replica: PrivateRedis, patient: Store) -> None:
    """Then it has what was written before, by whichever connection."""
    await eventually(lambda: in_step(server))
    await patient.check_replicas()
    new = entry()
    await patient.accept([new])
    await patient.replicate([new.id])
    assert [key for key in replica.command("KEYS", "*") if key.endswith(new.id)]


async def test_a_replica_that_went_away_is_an_outage(
    server: PrivateRedis, replica: PrivateRedis, store: Store
) -> None:
    """Before a write it is told of as such, after one as unconfirmed; other calls go on."""
    await eventually(lambda: in_step(server))
    await store.check_replicas()
    replica.down(kill=True)
    await eventually(lambda: not in_step(server))
    with pytest.raises(StoreUnavailable, match="0 of the 1 replicas"):
        await store.check_replicas()
    new = entry()
    await store.accept([new])
    with pytest.raises(WriteUnconfirmed, match=r"0 of 1 replicas .* within"):
        await store.replicate([])
    assert store.status().connected
    assert await status_of(store, new.id) is Status.SCHEDULED


async def test_a_replica_that_writes_to_no_disk_does_not_confirm(
    server: PrivateRedis, replica: PrivateRedis, store: Store
) -> None:
    """Where the server can tell memory from disk, memory is not enough."""
    await eventually(lambda: in_step(server))
    replica.command("CONFIG", "SET", "appendonly", "no")
    if version(server) < (7, 2):
        await store.replicate([])
        return
    with pytest.raises(WriteUnconfirmed, match="appendonly yes"):
        await store.replicate([])


async def test_more_replicas_than_there_are(server: PrivateRedis, replica: PrivateRedis) -> None:
    """The number is the configuration's."""
    backend = RedisBackend(server.url, timeout=3.0, replicas=2)
    store = await backend.open()
    await eventually(lambda: in_step(server))
    with pytest.raises(StoreUnfit, match="1 of the 2 replicas"):
        await store.check_replicas()
    with pytest.raises(WriteUnconfirmed, match="of 2 replicas"):
        await store.replicate([])
    await backend.close()


async def test_a_record_that_a_failover_lost_is_not_confirmed(
    server: PrivateRedis, replica: PrivateRedis, patient: Store
) -> None:
    """Whoever is the primary by now may never have got it, though its replicas follow it well."""
    await eventually(lambda: in_step(server))
    kept, lost = entry(), entry()
    await patient.accept([kept, lost])
    (key,) = [key for key in server.command("KEYS", "*") if key.endswith(lost.id)]
    server.command("DEL", key)
    await patient.replicate([kept.id])
    with pytest.raises(WriteUnconfirmed, match=r"1 of 2 records .* another server"):
        await patient.replicate([kept.id, lost.id])


def in_step(server: PrivateRedis) -> bool:
    told = server.command("INFO", "replication")
    return any(told.get(name, {}).get("state") == "online" for name in ("slave0", "slave1"))


def version(server: PrivateRedis) -> tuple[int, ...]:
    told = server.command("INFO", "server")["redis_version"]
    return tuple(int(part) for part in told.split("."))
