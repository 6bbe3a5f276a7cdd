"""A runner per test, on every store."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.stores.base import Store
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.flow.local_runner import LocalRunner
from tests.flow.remote_process import QUEUE, Remote
from tests.tools.executors import executor, with_executors
from tests.tools.stores import empty_sqlite, schemas, sql_store, sqlite_url, wipe_postgres, wipe_sqlite
from tests.tools.waiting import PATIENCE

Furnished = tuple[Store, Callable[[], Awaitable[None]]]


@pytest.fixture(params=["redis", "sqlite", "postgres"])
async def runner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalRunner]:
    if request.param == "redis":
        furnished = _redis(request.getfixturevalue("redis_url"))
    elif request.param == "sqlite":
        furnished = _sqlite(tmp_path / "taskrunner.db")
    else:
        furnished = _postgres(request.getfixturevalue("postgres_url"))
    async with furnished as (store, wipe):
        runner = LocalRunner(store, wipe=wipe)
        await runner.broker.start()
        yield runner
        await runner.close()


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Furnished]:
    prefix = f"{{flow-{secrets.token_hex(4)}}}"
    store = RedisStore(RedisSettings(address=url, prefix=prefix, timeout=PATIENCE), Events())
    await store.start()
    await store.wait_ready(PATIENCE)
    yield store, lambda: _wipe(url, prefix)
    await store.stop()


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Furnished]:
    path.write_bytes(empty_sqlite())
    async with sql_store(sqlite_url(path), timeout=PATIENCE) as store:
        yield store, lambda: wipe_sqlite(path)


@asynccontextmanager
async def _postgres(server: str) -> AsyncIterator[Furnished]:
    async with schemas(server).lend() as url, sql_store(url, timeout=PATIENCE) as store:
        yield store, lambda: wipe_postgres(url)


async def _wipe(url: str, prefix: str) -> None:
    client = Redis.from_url(url)
    try:
        keys = [key async for key in client.scan_iter(match=f"{prefix}:*")]
        await client.delete(*keys)
    finally:
        await client.aclose()


@pytest.fixture
async def remote(runner: LocalRunner) -> AsyncIterator[Remote]:
    """A process with an API, and a remote executor."""
    settings = runner.task_settings
    own = executor("resize", ExecutorKind.REMOTE, max_attempts=3)
    python = executor("resize_image", ExecutorKind.PYTHON)
    settings.current = with_executors(own, python, settings=settings.current)
    await runner.broker.declare(("high", "medium", "low", QUEUE))
    remote = Remote(runner)
    await remote.work.start()
    yield remote
    await remote.work.stop()
