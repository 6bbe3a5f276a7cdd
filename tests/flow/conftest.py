"""A house per test, on every store that runs in this process."""

import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from taskrunner.domain.events import Events
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.flow.house import House


@pytest.fixture
async def house(redis_url: str) -> AsyncIterator[House]:
    prefix = f"{{flow-{secrets.token_hex(4)}}}"
    store = RedisStore(RedisSettings(address=redis_url, prefix=prefix), Events())
    await store.start()
    await store.wait_ready(10)
    house = House(store, wipe=lambda: _wipe(redis_url, prefix))
    await house.broker.start()
    yield house
    await house.close()
    await store.stop()


async def _wipe(url: str, prefix: str) -> None:
    client = Redis.from_url(url)
    try:
        keys = [key async for key in client.scan_iter(match=f"{prefix}:*")]
        await client.delete(*keys)
    finally:
        await client.aclose()
