"""The adapters that a configuration asks for: one broker, one store.

Each adapter is imported only when it is used: all of them took 0.9 s of a start of 2 s, on a busy machine.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.brokers.base import Broker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.config import Config
from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.events import Events
from taskrunner.handlers.http.settings import EgressProxy
from taskrunner.stores.base import Store
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings, database

if TYPE_CHECKING:
    from taskrunner.stores.sql.store import SqlStore


def make_broker(config: Config, events: Events) -> Broker:
    """RabbitMQ, or the broker in this process for `memory://`."""
    section = config.rabbit
    if section.in_memory:
        from taskrunner.brokers.memory import MemoryBroker

        return MemoryBroker(events, delivery_limit=section.delivery_limit)
    from taskrunner.brokers.rabbitmq.broker import RabbitBroker

    settings = section.settings(RabbitSettings, addresses=section.addr, client_name=config.workers.name)
    return RabbitBroker(settings, events)


def make_store(config: Config, events: Events) -> Store:
    """The store of `Store.url`, or else that of the section `Redis`."""
    sql = make_sql_store(config, events)
    if sql is not None:
        return sql
    from taskrunner.stores.redis.store import RedisStore

    return RedisStore(_redis_settings(config), events)


def make_sql_store(config: Config, events: Events) -> "SqlStore | None":
    """The store of `Store.url` when that is SQLite or PostgreSQL, else None."""
    url = config.store.url
    if url is None or config.store.scheme == "redis":
        return None
    from taskrunner.stores.sql.store import SqlStore

    return SqlStore(SqlSettings(url=url), events)


async def upgrade_store(config: Config) -> bool:
    """Bring the schema of a SQL store up to date; False for Redis, which has none.

    Raises `StoreUnavailable`, `StoreUnfit`.
    """
    store = make_sql_store(config, Events())
    if store is None:
        return False
    try:
        await store.upgrade()
    finally:
        await store.stop()
    return True


def sqlite_path(config: Config) -> Path:
    """The file of a configuration whose store is SQLite."""
    file = database(SqlSettings(url=config.store.url or ""))
    if not isinstance(file, SqliteFile):
        raise TypeError("the store is not a SQLite file")
    return file.path


def refuse_memory_broker(config: Config, command: str) -> None:
    """Raises `ConfigInvalid` for a command whose counterpart would be another process."""
    if config.rabbit.in_memory:
        message = (
            f"memory:// is a broker in one process, so `taskrunner {command}` alone would reach nobody: "
            "use `taskrunner all` (one process), or give the URL of a RabbitMQ"
        )
        raise ConfigInvalid([FieldError(field="Rabbit.addr", message=message)])


def _redis_settings(config: Config) -> RedisSettings:
    section = config.redis
    address = ",".join(section.addr)
    settings = section.settings(RedisSettings, address=address, replicas=config.store.replicas)
    if config.store.url is None:
        return settings
    # The URL says everything about the connection, so no password of the section goes to its server.
    bare = replace(settings, sentinel=None, user=None, password=None, db=0, tls=False)
    return replace(bare, address=config.store.url)


def egress_proxy(config: Config) -> EgressProxy | None:
    """The proxy that fetches go through, if there is one."""
    section = config.fetch
    return EgressProxy.from_url(section.proxy, resolves=section.proxy_resolves) if section.proxy else None
