"""The adapters that a configuration asks for: one broker, one store.

Each is imported when it is asked for: all of them together were 0.9 s of a start of 2 s, on a busy machine.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.brokers.base import Broker
from taskrunner.config import Config
from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.events import Events
from taskrunner.stores.base import Store
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings, database

if TYPE_CHECKING:
    from taskrunner.stores.redis.store import RedisStore
    from taskrunner.stores.sql.store import SqlStore


def make_broker(config: Config, events: Events) -> Broker:
    """RabbitMQ, or the broker in this process for `memory://`."""
    if config.rabbit.in_memory:
        from taskrunner.brokers.memory import MemoryBroker

        return MemoryBroker(events, delivery_limit=config.rabbit.delivery_limit)
    return _rabbit_broker(config, events)


def make_store(config: Config, events: Events) -> Store:
    """The store of `Store.url`, else that of the `Redis` section."""
    return make_sql_store(config, events) or _redis_store(config, events)


def make_sql_store(config: Config, events: Events) -> "SqlStore | None":
    """The store of `Store.url` when that is SQLite or PostgreSQL, else None."""
    url = config.store.url
    if url is None or config.store.scheme == "redis":
        return None
    from taskrunner.stores.sql.store import SqlStore

    return SqlStore(SqlSettings(url=url), events)


def sqlite_path(config: Config) -> Path:
    """The file of a configuration whose store is SQLite."""
    file = database(SqlSettings(url=config.store.url or ""))
    if not isinstance(file, SqliteFile):
        raise TypeError("the store is no SQLite file")
    return file.path


def refuse_memory_broker(config: Config, command: str) -> None:
    """Raises `ConfigInvalid` for a command whose other half would be another process."""
    if config.rabbit.in_memory:
        message = (
            f"memory:// is a broker in one process, so `taskrunner {command}` alone would reach nobody: "
            "use `taskrunner all` (one process), or give the URL of a RabbitMQ"
        )
        raise ConfigInvalid([FieldError(field="Rabbit.addr", message=message)])


def _redis_store(config: Config, events: Events) -> "RedisStore":
    from taskrunner.stores.redis.settings import RedisSettings
    from taskrunner.stores.redis.store import RedisStore

    section = config.redis
    settings = RedisSettings(
        address=",".join(section.addr),
        sentinel=section.sentinel,
        sentinel_password=section.sentinel_password,
        user=section.user,
        password=section.password,
        db=section.db,
        tls=section.tls,
        max_retries=section.max_retries,
        dial_timeout=section.dial_timeout,
        timeout=section.timeout,
        prefix=section.prefix,
        replicas=config.store.replicas,
    )
    if config.store.url is not None:
        # All that the URL says, and that it says nothing: no password of the section goes to its server.
        bare = replace(settings, sentinel=None, user=None, password=None, db=0, tls=False)
        settings = replace(bare, address=config.store.url)
    return RedisStore(settings, events)


def _rabbit_broker(config: Config, events: Events) -> Broker:
    from taskrunner.brokers.rabbitmq.broker import RabbitBroker
    from taskrunner.brokers.rabbitmq.settings import RabbitSettings

    section = config.rabbit
    settings = RabbitSettings(
        addresses=section.addr,
        exchange=section.exchange,
        delivery_limit=section.delivery_limit,
        heartbeat=section.heartbeat,
        dial_timeout=section.dial_timeout,
        publish_timeout=section.publish_timeout,
        client_name=config.workers.name,
    )
    return RabbitBroker(settings, events)
