"""The broker and the store."""

from typing import Annotated

from pydantic import Field

from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.config.sections.section import Section
from taskrunner.config.values import (
    MEMORY,
    AmqpUrls,
    Concern,
    Exchange,
    LowerCase,
    Prefix,
    RedisAddrs,
    Seconds,
    Secret,
    StoreUrl,
)
from taskrunner.consumer.settings import MAX_PREFETCH, ConsumerSettings
from taskrunner.domain.backends.service_tls import TlsVerify
from taskrunner.domain.backends.service_url import SCHEMES
from taskrunner.domain.tasks.task_settings import TaskDefaults
from taskrunner.domain.tasks.write_concern import KEPT_EVERYWHERE, WriteConcern
from taskrunner.stores.redis.settings import RedisSettings

_RABBIT, _REDIS = RabbitSettings(), RedisSettings()


class RabbitSection(Section):
    """The broker."""

    addr: Annotated[AmqpUrls, Secret()] = Field(
        _RABBIT.addresses,
        repr=False,
        description="a URL, or several of a cluster, or memory:// for `all`; also as addr_file",
    )
    prefetch: int = Field(
        ConsumerSettings(name="").prefetch,
        ge=0,
        le=MAX_PREFETCH,
        description="deliveries held per queue; 0: six for each of Workers.max_workers, 300 at least",
    )
    heartbeat: int = Field(
        _RABBIT.heartbeat, ge=1, le=3600, description="seconds of silence after which a peer counts as dead"
    )
    dial_timeout: Seconds = Field(_RABBIT.dial_timeout, description="the longest wait for a connection")
    publish_timeout: Seconds = Field(
        _RABBIT.publish_timeout, description="the longest wait for the broker's confirm"
    )
    delivery_limit: int = Field(
        _RABBIT.delivery_limit,
        ge=1,
        le=100_000,
        description="deliveries of one message before the broker makes it a dead letter",
    )
    exchange: Exchange = Field(
        _RABBIT.exchange, description="the name of the exchange, and the start of the queues' names"
    )

    ca_file: str | None = Field(
        _RABBIT.ca_file,
        max_length=4096,
        description="a PEM file of authorities that amqps:// trusts, in place of the system's",
    )

    @property
    def in_memory(self) -> bool:
        """Whether the broker is in this process."""
        return self.addr == (MEMORY,)


class StoreSection(Section):
    """Which store holds the tasks; without a URL it is the Redis of the section below."""

    url: Annotated[StoreUrl | None, Secret()] = Field(
        None,
        repr=False,
        description="sqlite:///FILE, postgresql://…, redis://… or redis+sentinel://…; empty: section Redis; "
        "also as url_file",
    )
    write_concern: Concern = Field(
        TaskDefaults().write_concern,
        description="what a 202 waits for: store, broker (and its confirm) or replicated (and replicas)",
    )
    replicas: int = Field(
        _REDIS.replicas,
        ge=1,
        le=100,
        description="replicas of Redis that must confirm; PostgreSQL has a setting of its own",
    )

    @property
    def scheme(self) -> str | None:
        """`sqlite`, `postgresql` or `redis`; None where the section `Redis` counts."""
        if self.url is None:
            return None
        return SCHEMES[self.url.partition(":")[0]]

    @property
    def write_concerns(self) -> frozenset[WriteConcern]:
        """Those that this kind of store can keep. Whether the server keeps them, only the server can tell."""
        return KEPT_EVERYWHERE if self.scheme == "sqlite" else frozenset(WriteConcern)


class RedisSection(Section):
    """The store, unless `Store.url` names another."""

    addr: RedisAddrs = Field((_REDIS.address,), description="host:port of the server, or of each Sentinel")
    sentinel: str | None = Field(
        _REDIS.sentinel,
        max_length=256,
        description="the name that the Sentinels give the primary; empty: there are none",
    )
    sentinel_password: Annotated[str | None, Secret()] = Field(
        _REDIS.sentinel_password,
        max_length=4096,
        repr=False,
        description="for the Sentinels; also as sentinel_password_file",
    )
    user: str | None = Field(_REDIS.user, max_length=256, description="for servers with ACLs; empty for none")
    password: Annotated[str | None, Secret()] = Field(
        _REDIS.password, max_length=4096, repr=False, description="empty for none; also as password_file"
    )
    db: int = Field(_REDIS.db, ge=0, le=65_535, description="the number of the database")
    max_retries: int = Field(
        _REDIS.max_retries, ge=0, le=100, description="how often a call is sent again before it fails"
    )
    dial_timeout: Seconds = Field(_REDIS.dial_timeout, description="the longest wait for a connection")
    timeout: Seconds = Field(_REDIS.timeout, description="the longest wait for an answer")
    prefix: Prefix = Field(
        _REDIS.prefix, description="the start of every key; the braces keep all keys in one slot of a cluster"
    )
    tls: bool = Field(_REDIS.tls, description="encrypt the connection, as rediss:// does")
    ca_file: str | None = Field(
        _REDIS.ca_file,
        max_length=4096,
        description="a PEM file of trusted authorities, instead of the system's",
    )
    cert_file: str | None = Field(
        _REDIS.cert_file, max_length=4096, description="our certificate in PEM, for servers that ask for one"
    )
    key_file: str | None = Field(
        _REDIS.key_file, max_length=4096, description="its key, unless it is in cert_file"
    )
    verify: Annotated[TlsVerify, LowerCase] = Field(
        _REDIS.verify, description="what the server's certificate must prove: full, ca (any name) or none"
    )
