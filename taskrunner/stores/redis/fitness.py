"""Whether a server can keep our promises: its version, and the settings that a crash would reveal."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from taskrunner.domain.errors import StoreUnfit

MIN_VERSION = (6, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What a server said of itself; `version` is empty when it would not say."""

    version: str
    warnings: tuple[str, ...]


async def inspect(client: Redis, server: str) -> Fitness:
    """Ask the server how it is set up. Raises `StoreUnfit`, and the driver's errors."""
    version = await _version(client)
    if version and _numbers(version) < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        raise StoreUnfit(f"Redis at {server} is version {version}, but at least {least} is needed")
    warnings = [] if version else ["Redis does not tell its version: unknown whether it is 6.2 or later"]
    warnings += [
        *_persistence(await _setting(client, "appendonly")),
        *_eviction(await _setting(client, "maxmemory"), await _setting(client, "maxmemory-policy")),
    ]
    return Fitness(version=version, warnings=tuple(warnings))


async def _version(client: Redis) -> str:
    try:
        info = await client.info("server")
    except ResponseError:
        return ""
    return str(info.get("redis_version", ""))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


async def _setting(client: Redis, name: str) -> str | None:
    """A setting's value, or None when the server does not tell (managed ones often forbid CONFIG)."""
    try:
        answer = await client.config_get(name)
    except ResponseError:
        return None
    return str(answer[name]) if name in answer else None


def _persistence(appendonly: str | None) -> list[str]:
    if appendonly is None:
        return [
            "Redis does not tell its settings: unknown whether accepted tasks survive its crash (appendonly)"
        ]
    if appendonly == "yes":
        return []
    return ["Redis has appendonly off: accepted tasks are lost when it crashes; set appendonly yes"]


def _eviction(maxmemory: str | None, policy: str | None) -> list[str]:
    if maxmemory is None or policy is None:
        return ["Redis does not tell its settings: unknown whether it may evict tasks (maxmemory-policy)"]
    if maxmemory == "0" or policy == "noeviction":
        return []
    return [
        f"Redis has maxmemory-policy {policy}: it may evict tasks when memory is short; "
        "set maxmemory-policy noeviction"
    ]
