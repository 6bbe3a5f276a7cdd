"""A Redis of its own for each test that stops it, breaks it or changes its settings."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from servers.fleet import Fleet

from taskrunner.stores.base import Store
from tests.contract.stores.harness import RedisBackend
from tests.contract.stores.redis.server import PrivateRedis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateRedis]:
    fleet = Fleet.create(tmp_path / "servers")
    try:
        fleet.start(["redis"])
        yield PrivateRedis(fleet)
    finally:
        fleet.stop()


@pytest.fixture
async def backend(server: PrivateRedis) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(server.url)
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: RedisBackend) -> Store:
    return await backend.open()
