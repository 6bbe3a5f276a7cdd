"""Finding a Redis by its Sentinels: at start, after a failover, and when they are of no help."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import services
from redis import Redis
from servers.cluster import SENTINEL_SERVICE, start_redis_replication, start_sentinels
from servers.fleet import Fleet

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import Store
from taskrunner.stores.redis.store import RedisStore
from tests.contract.stores.harness import RedisBackend, entry, status_of
from tests.tools.waiting import eventually

_SENTINELS = 2


class Watched:
    """A primary and its replica, watched by two Sentinels."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.servers = start_redis_replication(fleet, replicas=1)
        self.sentinels = start_sentinels(fleet, self.servers[0], _SENTINELS)

    def url(self, service: str = SENTINEL_SERVICE) -> str:
        places = ",".join(f"127.0.0.1:{self.fleet.server(name).port}" for name in self.sentinels)
        return f"redis+sentinel://{places}/{service}"

    def client(self, name: str) -> "Redis":
        return Redis(port=self.fleet.server(name).port, decode_responses=True)

    def knows_itself(self) -> bool:
        told: list[Any] = [self.client(name).sentinel_master(SENTINEL_SERVICE) for name in self.sentinels]
        return all(each["num-slaves"] == 1 and each["num-other-sentinels"] == 1 for each in told)

    def in_step(self) -> bool:
        return bool(self.client(self.servers[1]).info("replication")["master_link_status"] == "up")

    def holds(self, name: str, task_id: str) -> bool:
        return any(str(key).endswith(task_id) for key in self.client(name).keys("*"))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    fleet = Fleet.create(tmp_path / "servers")
    try:
        yield Watched(fleet)
    finally:
        fleet.stop()


@pytest.fixture
async def backend(watched: Watched) -> RedisBackend:
    await eventually(lambda: watched.knows_itself() and watched.in_step())
    return RedisBackend(watched.url())


@pytest.fixture
async def store(backend: RedisBackend) -> Store:
    return await backend.open()


async def test_the_primary_is_found(watched: Watched, store: Store) -> None:
    """A write goes to the server that takes writes, and the status says how it was found."""
    new = entry()
    await store.accept([new])
    assert watched.holds(watched.servers[0], new.id)
    assert store.status().details["address"].startswith(f"{SENTINEL_SERVICE} (by Sentinel 127.0.0.1:")
    await store.stop()


async def test_a_failover_is_followed(watched: Watched, store: Store) -> None:
    """The primary dies; when the replica has its place, the store is up again and has what it had."""
    old, new = entry(), entry()
    await store.accept([old])
    await eventually(lambda: watched.holds(watched.servers[1], old.id))
    services.down(watched.servers[0], kill=True, fleet=watched.fleet)
    await eventually(lambda: not store.status().connected)
    await eventually(lambda: store.status().connected)
    await store.accept([new])
    assert watched.holds(watched.servers[1], new.id)
    assert await status_of(store, old.id) is Status.SCHEDULED
    await store.stop()


async def test_one_sentinel_is_enough(watched: Watched, backend: RedisBackend) -> None:
    """Whichever of them is down."""
    for name in watched.sentinels:
        services.down(name, kill=True, fleet=watched.fleet)
        store = await backend.open()
        await store.ping()
        await store.stop()
        services.up(name, fleet=watched.fleet)


async def test_what_no_sentinel_knows(watched: Watched) -> None:
    """Each one's answer is told, with its address."""
    backend = RedisBackend(watched.url("other"))
    services.down(watched.sentinels[0], kill=True, fleet=watched.fleet)
    store = RedisStore(backend.settings, Events())
    await store.start()
    await eventually(lambda: store.status().error)
    with pytest.raises(StoreUnavailable, match=r"watches no other") as caught:
        await store.wait_ready(0.01)
    assert all(
        f"127.0.0.1:{watched.fleet.server(name).port}" in str(caught.value) for name in watched.sentinels
    )
    await store.stop()
