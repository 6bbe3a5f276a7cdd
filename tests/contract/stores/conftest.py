"""Every contract test runs on every store: adding one is one line of `BACKENDS`."""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from taskrunner.stores.base import Store
from tests.contract.stores.harness import (
    Backend,
    FakeRedisBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
)
from tests.tools.pgbouncer import pgbouncer


def _redis(request: pytest.FixtureRequest) -> Backend:
    return RedisBackend(request.getfixturevalue("redis_url"))


def _postgres(request: pytest.FixtureRequest) -> Backend:
    return PostgresBackend(request.getfixturevalue("postgres_url"))


def _pgbouncer(request: pytest.FixtureRequest) -> Backend:
    return PostgresBackend(
        request.getfixturevalue("postgres_url"), pooler=request.getfixturevalue("pgbouncer_url")
    )


@pytest.fixture(scope="session")
def pgbouncer_url(postgres_url: str) -> Iterator[str]:
    """The PostgreSQL of this run behind a pooler, with fewer places than a store asks for."""
    with pgbouncer(postgres_url, pool_size=3) as url:
        yield url


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {
    "redis": _redis,
    "fakeredis": lambda _: FakeRedisBackend(),
    "sqlite": lambda _: SqliteBackend(),
    "postgres": _postgres,
    "pgbouncer": _pgbouncer,
}


# A double of Redis, and another way to PostgreSQL: each test runs there with its first parameters only, since
# the others are about statements that the stores behind them run too. `make test-latest` runs all.
REPEATED = frozenset() if os.environ.get("EVERY_VARIANT") else frozenset({"fakeredis", "pgbouncer"})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seen: set[tuple[str, str]] = set()
    left: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        call = getattr(item, "callspec", None)
        backend = call.params.get("backend") if call is not None else None
        test = item.nodeid.partition("[")[0], str(backend)
        (dropped if backend in REPEATED and test in seen else left).append(item)
        seen.add(test)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = left


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend = BACKENDS[request.param](request)
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: Backend) -> Store:
    return await backend.open()
