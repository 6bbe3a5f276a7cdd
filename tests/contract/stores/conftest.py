"""Every contract test runs on every store: adding one is one line of `BACKENDS`."""

from collections.abc import AsyncIterator, Callable

import pytest

from taskrunner.stores.base import Store
from tests.contract.stores.harness import (
    Backend,
    FakeRedisBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
)


def _redis(request: pytest.FixtureRequest) -> Backend:
    return RedisBackend(request.getfixturevalue("redis_url"))


def _postgres(request: pytest.FixtureRequest) -> Backend:
    return PostgresBackend(request.getfixturevalue("postgres_url"))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {
    "redis": _redis,
    "fakeredis": lambda _: FakeRedisBackend(),
    "sqlite": lambda _: SqliteBackend(),
    "postgres": _postgres,
}


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend = BACKENDS[request.param](request)
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: Backend) -> Store:
    return await backend.open()
