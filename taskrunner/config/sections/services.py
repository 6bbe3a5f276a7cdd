"""The servers that we use: the broker and the store."""

from typing import Annotated

from pydantic import Field

from taskrunner.config.sections.section import Section
from taskrunner.config.store_url import SCHEMES, StoreUrl
from taskrunner.config.values import MEMORY, AmqpUrls, Concern, Exchange, Prefix, RedisAddrs, Seconds, Secret
from taskrunner.domain.write_concern import KEPT_EVERYWHERE, WriteConcern


class Rabbit(Section):
    """The broker."""

    addr: Annotated[AmqpUrls, Secret()] = Field(
        ("amqp://guest:guest@rabbitmq:5672/",),
        repr=False,
        description="a URL, or several of a cluster, or memory:// for `all`; also as addr_file",
    )
    prefetch: int = Field(
        300, ge=1, le=65_535, description="deliveries held here per queue; enough to keep 50 workers fed"
    )
    heartbeat: int = Field(30, ge=1, le=3600, description="a peer silent for this long is taken for dead")
    dial_timeout: Seconds = Field(5.0, description="the longest wait for a connection to be set up")
    publish_timeout: Seconds = Field(5.0, description="the longest wait for the broker's confirm")
    delivery_limit: int = Field(
        50, ge=1, le=100_000, description="deliveries of one message before the broker calls it dead"
    )
    exchange: Exchange = Field("taskrunner", description="names the exchange, and begins the queues' names")

    @property
    def in_memory(self) -> bool:
        """Whether the broker is one inside of this process."""
        return self.addr == (MEMORY,)


class Store(Section):
    """Which store holds the tasks; without a URL it is the Redis of the section below."""

    url: Annotated[StoreUrl | None, Secret()] = Field(
        None,
        repr=False,
        description="sqlite:///FILE, postgresql://…, redis://… or redis+sentinel://…; empty: section Redis; "
        "also as url_file",
    )
    write_concern: Concern = Field(
        WriteConcern.BROKER,
        description="what a 202 waits for: store, broker (its confirm, too) or replicated (replicas, too)",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=100,
        description="replicas of Redis that must confirm; PostgreSQL has a setting of its own",
    )

    @property
    def scheme(self) -> str | None:
        """`sqlite`, `postgresql` or `redis`; None where the Redis section counts."""
        if self.url is None:
            return None
        return SCHEMES[self.url.partition(":")[0]]

    @property
    def write_concerns(self) -> frozenset[WriteConcern]:
        """Those that a store of this kind can keep; whether a server does, it must be asked."""
        return KEPT_EVERYWHERE if self.scheme == "sqlite" else frozenset(WriteConcern)


class Redis(Section):
    """The store, unless `Store.url` names another."""

    addr: RedisAddrs = Field(
        ("redis:6379",), description="host:port, or with sentinel those of the Sentinels"
    )
    sentinel: str | None = Field(
        None, max_length=256, description="the name that Sentinels give the primary; empty: there are none"
    )
    sentinel_password: Annotated[str | None, Secret()] = Field(
        None, max_length=4096, repr=False, description="of the Sentinels; also as sentinel_password_file"
    )
    user: str | None = Field(None, max_length=256, description="for servers with ACLs; empty for none")
    password: Annotated[str | None, Secret()] = Field(
        None, max_length=4096, repr=False, description="empty for none; also as password_file"
    )
    db: int = Field(0, ge=0, le=65_535, description="the number of the database")
    max_retries: int = Field(5, ge=0, le=100, description="tries again of one call before it has failed")
    dial_timeout: Seconds = Field(10.0, description="the longest wait for a connection to be set up")
    timeout: Seconds = Field(5.0, description="the longest wait for an answer")
    prefix: Prefix = Field(
        "{taskrunner}", description="begins every key; the braces keep all keys in one slot of a cluster"
    )
    tls: bool = Field(False, description="encrypt the connection, as rediss:// does")
