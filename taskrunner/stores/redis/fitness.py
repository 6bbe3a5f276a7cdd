"""Checks whether a server can keep our promises: its version, persistence and eviction settings."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ResponseError

from taskrunner.domain.errors import StoreUnfit
from taskrunner.stores.connection import Fitness

MIN_VERSION = (6, 2)

Send = Callable[..., Awaitable[Any]]
_VERSION = re.compile(rb"^redis_version:([0-9.]+)", re.MULTILINE)


async def inspect(send: Send, server: str) -> Fitness:
    """Check the server by `send`. Raises `StoreUnfit`, and the driver's errors."""
    version = await _version(send)
    if version and numbers(version) < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        raise StoreUnfit(f"Redis at {server} is version {version}, but at least {least} is needed")
    warnings = [] if version else ["Redis does not tell its version: unknown whether it is 6.2 or later"]
    warnings += [
        *_persistence(await _setting(send, "appendonly")),
        *_eviction(await _setting(send, "maxmemory"), await _setting(send, "maxmemory-policy")),
    ]
    return Fitness(version=version, warnings=tuple(warnings))


async def _version(send: Send) -> str:
    try:
        info: bytes = await send("INFO", "server")
    except ResponseError:
        return ""
    found = _VERSION.search(info)
    return found[1].decode() if found else ""


def numbers(version: str) -> tuple[int, ...]:
    """A version for comparison; empty for an unknown one."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


async def _setting(send: Send, name: str) -> str | None:
    """A setting's value, or None when the server does not show it (managed servers often forbid CONFIG)."""
    try:
        answer: list[bytes] = await send("CONFIG", "GET", name)
    except ResponseError:
        return None
    return answer[1].decode() if answer else None


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
