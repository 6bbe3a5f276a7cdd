"""Every contract test runs on every store: adding one is one line of `BACKENDS`."""

import os
from collections.abc import AsyncIterator, Callable

import pytest

from taskrunner.stores.base import Store
from tests.contract.stores.harness import Backend, FakeRedisBackend, RedisBackend


def _real_redis() -> RedisBackend:
    url = os.environ.get("TASKRUNNER_TEST_REDIS_URL")
    if not url:
        pytest.fail("TASKRUNNER_TEST_REDIS_URL is not set: run under scripts/services.py", pytrace=False)
    return RedisBackend(url)


BACKENDS: dict[str, Callable[[], Backend]] = {
    "redis": _real_redis,
    "fakeredis": FakeRedisBackend,
}


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend = BACKENDS[request.param]()
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: Backend) -> Store:
    return await backend.open()
