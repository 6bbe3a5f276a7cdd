"""Which servers are fit, and what is said of those that only nearly are."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from taskrunner.domain.errors import StoreUnfit
from taskrunner.stores.connection import Fitness
from taskrunner.stores.redis.fitness import inspect


async def judge(version: str, **settings: str) -> Fitness:
    known = {"appendonly": "yes", "maxmemory": "0", "maxmemory-policy": "noeviction"} | settings

    async def send(*args: Any) -> Any:
        if args[0] == "INFO":
            return f"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n".encode()
        return [args[2].encode(), known[args[2]].encode()]

    return await inspect(send, "h:1")


@pytest.mark.parametrize("version", ["6.2.0", "6.10", "7.0.15", "8.2.1", "10.0.0"])
async def test_versions_that_are_fit(version: str) -> None:
    """6.2 and everything after it."""
    assert await judge(version) == Fitness(version=version, warnings=())


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16"])
async def test_versions_that_are_not(version: str) -> None:
    """The error names the server, its version and what is needed."""
    with pytest.raises(StoreUnfit, match=rf"h:1 is version {version}, but at least 6\.2"):
        await judge(version)


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"appendonly": "no"}, "appendonly off"),
        ({"maxmemory": "100", "maxmemory-policy": "allkeys-lru"}, "maxmemory-policy allkeys-lru"),
        ({"maxmemory": "100"}, None),
        ({"maxmemory-policy": "allkeys-lru"}, None),
    ],
)
async def test_warnings(settings: dict[str, str], warning: str | None) -> None:
    """An eviction policy counts only where memory is limited."""
    warnings = (await judge("7.0.0", **settings)).warnings
    assert len(warnings) == int(warning is not None)
    assert warning is None or warning in warnings[0]


async def test_a_server_that_tells_nothing_is_taken_with_warnings() -> None:
    """Managed servers forbid INFO and CONFIG."""

    async def send(*args: Any) -> Any:
        raise ResponseError("unknown command")

    found = await inspect(send, "h:1")
    assert found.version == ""
    assert len(found.warnings) == 3
