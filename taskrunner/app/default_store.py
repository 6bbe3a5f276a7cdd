"""The default store, which not everybody has: an error of a command says what to do instead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskrunner.config import Config
from taskrunner.domain.errors import StoreUnavailable

HINT = "name your store (REDIS_URL, Store.url), or start `taskrunner dev` and run the `export` line it prints"


@asynccontextmanager
async def default_store_explained(config: Config) -> AsyncIterator[None]:
    """Raises `StoreUnavailable` with a hint where the configuration names no store."""
    try:
        yield
    except StoreUnavailable as exc:
        is_default = config.store.url is None and config.redis.addr == Config().redis.addr
        if not is_default or type(exc) is not StoreUnavailable:
            raise
        raise StoreUnavailable(f"{exc}; {HINT}") from exc
