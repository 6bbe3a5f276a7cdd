"""Every dial, with its default, its bounds and one line of why.

Durations are seconds, sizes are bytes. A model alone checks each value by itself; limits that cross are
found by `taskrunner.config.loading`.
"""

import os
import socket
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from taskrunner.config.endpoints import listener_endpoints, service_endpoints
from taskrunner.config.store_url import SCHEMES, StoreUrl
from taskrunner.config.values import (
    MEMORY,
    AmqpUrls,
    Bytes,
    CallbackSecrets,
    Concern,
    ConsumerName,
    Delays,
    Exceptions,
    Exchange,
    Host,
    HostLimits,
    Lanes,
    LowerCase,
    Port,
    Ports,
    Prefix,
    RedisAddrs,
    RetentionSeconds,
    Seconds,
    SecondsOrNone,
    Secret,
    UserAgent,
    Weights,
    masked,
)
from taskrunner.domain.breaker import BreakerDials
from taskrunner.domain.callback import CallbackDefaults
from taskrunner.domain.draft import TaskDefaults, TaskRules
from taskrunner.domain.limits import FIVE_YEARS
from taskrunner.domain.limits import Limits as TaskLimits
from taskrunner.domain.politeness import Politeness
from taskrunner.domain.reach import Reach
from taskrunner.domain.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.scaling import Bounds
from taskrunner.domain.settlement import Retention
from taskrunner.domain.task import Lane
from taskrunner.domain.write_concern import KEPT_EVERYWHERE, WriteConcern
from taskrunner.version import __version__

KIB = 1024
MIB = 1024 * 1024
DAY = 86_400.0
_CALLBACK = CallbackDefaults()
_POLITE, _BREAKER = Politeness(), BreakerDials()


class Section(BaseModel):
    """The base of all sections: immutable, closed, and silent about the values it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def redacted(self) -> dict[str, Any]:
        """Every dial by its name, as JSON values, secrets masked."""
        values = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            if any(isinstance(mark, Secret) for mark in field.metadata):
                values[name] = masked(values[name])
        return values


class Server(Section):
    """The health and statistics page of `consume`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8080, description='the port, also as ":8080"; 0 is any free one')


class Api(Section):
    """The HTTP API of `serve`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8000, description='the port, also as ":8000"; 0 is any free one')
    max_body_bytes: Bytes = Field(
        512 * KIB, description="a request; has room for the largest task body in base64"
    )
    request_timeout: Seconds = Field(10.0, description="a request that is not complete by then is cut off")
    keepalive_timeout: Seconds = Field(
        75.0, description="an idle connection; over the 60 of common proxies: they close it"
    )
    shutdown_grace: SecondsOrNone = Field(10.0, description="requests may end in this time on SIGTERM")
    max_connections: int = Field(
        900, ge=1, le=100_000, description="open ones; 1024 file descriptors are the usual limit of a process"
    )
    inline_body_bytes: int = Field(
        64 * KIB, ge=0, le=MIB, description="a fetched text up to this size stands in the task's own JSON"
    )


class Rabbit(Section):
    """The broker."""

    addr: Annotated[AmqpUrls, Secret()] = Field(
        ("amqp://guest:guest@rabbitmq:5672/",),
        repr=False,
        description="a URL, or several of a cluster, or memory:// for `all`; also as addr_file",
    )
    prefetch: int = Field(
        300, ge=1, le=65_535, description="deliveries held here per lane; enough to keep 50 workers fed"
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


class Logger(Section):
    """The log, which goes to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = Field(
        "info", description="debug, info, warning or error; info has one line per attempt"
    )
    format: Annotated[Literal["auto", "json", "console"], LowerCase] = Field(
        "auto", description="json or console; auto is console on a terminal"
    )


class Workers(Section):
    """The worker threads of `consume`, and the supervisor that counts them."""

    min_workers: int = Field(5, ge=1, le=1000, description="kept when there is nothing to do")
    max_workers: int = Field(50, ge=1, le=1000, description="the most threads, however deep the queue is")
    cooldown: SecondsOrNone = Field(
        30.0, description="fewer must have been enough for this long before any is retired"
    )
    drain_within: Seconds = Field(1.0, description="as many are wanted as empty the queue in this time")
    affinity: Annotated[Literal["auto", "off"], LowerCase] = Field(
        "auto", description="auto: one processor while tasks are short, which makes them cheaper; off: all"
    )
    interval: float = Field(
        0.25, gt=0, le=60, allow_inf_nan=False, description="between two decisions on their number"
    )
    lease: float = Field(
        30.0,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="how long a dead consumer's tasks wait; a live one renews it",
    )
    shutdown_grace: SecondsOrNone = Field(30.0, description="running tasks may end in this time on SIGTERM")
    queues: Lanes = Field(tuple(Lane), description="the lanes to serve: high, medium, low")
    weights: Weights = Field(
        (16, 4, 1), description="turns of high, medium and low; a full lane slows the others, starves none"
    )
    name: ConsumerName = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="who holds a lease; by default host name and process id",
    )


class Retry(Section):
    """What a task gets that says nothing about retries itself."""

    max_attempts: int = Field(5, ge=1, le=10_000, description="attempts in all, the first included")
    strategy: Annotated[Strategy, LowerCase] = Field(
        Strategy.EXPONENTIAL, description="constant, linear or exponential growth of the delays"
    )
    base: SecondsOrNone = Field(1.0, description="the delay after the first failed attempt")
    cap: float = Field(
        300.0, ge=0, le=30 * DAY, allow_inf_nan=False, description="the strategy's longest delay"
    )
    jitter: float = Field(
        0.2,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="random share of a delay, so that none march in step",
    )
    unsafe: bool = Field(
        False, description="send a POST or PATCH again although the target may have acted on it"
    )
    delays: Delays = Field((), description="exact delays in order (the last repeats) in place of a strategy")


class Fetch(Section):
    """How the built-in handler fetches a URL."""

    timeout: Seconds = Field(30.0, description="for one attempt, redirects included, unless the task says so")
    connect_timeout: Seconds = Field(10.0, description="the part of it that a connection may take")
    first_byte_timeout: Seconds = Field(
        300.0, description="the part of it until an answer begins, connecting included"
    )
    idle_timeout: Seconds = Field(60.0, description="the part of it that an answer may stand still")
    max_body_bytes: Bytes = Field(64 * MIB, description="decoded bytes read at most; ends bombs and streams")
    store_body_bytes: int = Field(
        MIB, ge=0, le=64 * MIB, description="the beginning of a body that is kept; the rest is only hashed"
    )
    max_header_bytes: int = Field(64 * KIB, ge=KIB, le=MIB, description="ends floods of response headers")
    max_redirects: int = Field(5, ge=0, le=50, description="hops to follow; 0 takes a redirect as the answer")
    user_agent: UserAgent = Field(f"taskrunner/{__version__}", description="unless the task has its own")
    allow_private: Exceptions = Field(
        (), description="private networks, addresses or hosts that tasks may reach; by default none"
    )
    allow_loopback: bool = Field(
        False, description="tasks may reach this machine's loopback on any port; `dev` sets it"
    )
    ports: Ports = Field((80, 443, 8080, 8443), description="the ports that tasks may reach")


class Limits(Section):
    """What a task may ask for at most."""

    max_url_bytes: int = Field(8 * KIB, ge=64, le=64 * KIB, description="many servers refuse longer URLs")
    max_body_bytes: Bytes = Field(256 * KIB, description="a task's body; it travels in the envelope")
    max_headers: int = Field(50, ge=0, le=1000, description="a task's headers")
    max_header_bytes: int = Field(8 * KIB, ge=16, le=MIB, description="one header, name and value")
    max_headers_bytes: int = Field(16 * KIB, ge=16, le=MIB, description="all headers of a task together")
    max_labels: int = Field(32, ge=0, le=1000, description="labels are for finding tasks, not for data")
    max_label_bytes: int = Field(256, ge=1, le=64 * KIB, description="one label, name and value")
    max_timeout: Seconds = Field(900.0, description="a longer attempt would hold its worker for too long")
    max_attempts: int = Field(100, ge=1, le=10_000, description="attempts that a task may ask for")
    max_delay: float = Field(
        FIVE_YEARS,
        ge=0,
        le=FIVE_YEARS * 20,
        allow_inf_nan=False,
        description="how far ahead a task may be due",
    )


class Results(Section):
    """How long finished tasks are kept."""

    keep: RetentionSeconds = Field(7 * DAY, description="a succeeded task and its result")
    keep_failed: RetentionSeconds = Field(
        30 * DAY, description="dead letters; long enough for somebody to look"
    )
    keep_cancelled: RetentionSeconds = Field(7 * DAY, description="a cancelled task")


class Relay(Section):
    """The loop that does what is due: publishing, retrying, rescuing."""

    poll_interval: float = Field(
        0.5, gt=0, le=60, allow_inf_nan=False, description="between two looks; bounds how late a due task is"
    )
    batch_size: int = Field(500, ge=1, le=10_000, description="due tasks taken in one step")
    max_attempts: int = Field(
        3,
        ge=1,
        le=100,
        description="tries to publish a batch in one turn; then it waits for a later one",
    )
    hold: Seconds = Field(10.0, description="a taken task is hidden from other relays for this long")
    forgotten_after: Seconds = Field(300.0, description="a queued task may have been lost after this time")


class Schedules(Section):
    """The runs of cron schedules."""

    grace: float = Field(
        60.0, ge=1, le=DAY, allow_inf_nan=False, description="a slot later than this was missed: its policy"
    )
    catch_up: int = Field(100, ge=1, le=1000, description="missed slots made up for, by the policy all")


class Callbacks(Section):
    """How a task's end is told to the URL that the task names."""

    secrets: Annotated[CallbackSecrets, Secret()] = Field(
        {}, repr=False, description="by name, a whsec_… or two while rotating; also as secrets_file"
    )
    timeout: Seconds = Field(_CALLBACK.timeout, description="for one attempt")
    max_attempts: int = Field(
        _CALLBACK.max_attempts, ge=1, le=10_000, description="attempts in all, the first included"
    )
    delays: Delays = Field(_CALLBACK.retry.delays, description="between them; by default 28 hours in all")


class Hosts(Section):
    """How hosts are dealt with, across all consumers."""

    limits: HostLimits = Field(
        {}, description='by pattern such as "*.example.com": concurrency=4 rate=10/s burst=20'
    )
    breaker_failures: int = Field(
        _BREAKER.failures,
        ge=0,
        le=100_000,
        description="network errors and 5xx in a row that stop a host; 0 never",
    )
    breaker_cooldown: Seconds = Field(
        _BREAKER.cooldown, description="it rests so long, then probes tell; twice as long each time they fail"
    )
    breaker_longest: Seconds = Field(_BREAKER.longest, description="the longest such rest")
    breaker_probes: int = Field(_BREAKER.probes, ge=1, le=1000, description="attempts let through as probes")
    back_pressure: bool = Field(
        _POLITE.back_pressure, description="a 429 or a Retry-After slows all tasks of its host"
    )
    longest_pause: Seconds = Field(
        _POLITE.longest_pause, description="a longer Retry-After counts for its own task alone"
    )
    longest_wait: Annotated[Seconds, Field(ge=1)] = Field(
        _POLITE.longest_wait, description="a task that waits for its host asks again after this at the latest"
    )
    slow: Seconds = Field(_POLITE.slow, description="a host is slow whose attempts take this long or longer")
    share: float = Field(
        _POLITE.share,
        ge=0.5,
        le=1,
        allow_inf_nan=False,
        description="of the workers for slow hosts; as much is the others' while these wait; 1: no bound",
    )


class Config(BaseModel):
    """The whole configuration. `Config()` has every default; `taskrunner.config.load` reads the real one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    server: Server = Server()
    api: Api = Api()
    rabbit: Rabbit = Rabbit()
    store: Store = Store()
    redis: Redis = Redis()
    logger: Logger = Logger()
    workers: Workers = Field(default_factory=Workers)
    retry: Retry = Retry()
    fetch: Fetch = Fetch()
    limits: Limits = Limits()
    results: Results = Results()
    relay: Relay = Relay()
    schedules: Schedules = Schedules()
    callbacks: Callbacks = Callbacks()
    hosts: Hosts = Hosts()

    def redacted(self) -> dict[str, dict[str, Any]]:
        """Every section and dial by the names of the file, as JSON values, secrets masked."""
        return {name.capitalize(): section.redacted() for name, section in self}

    def task_rules(self) -> TaskRules:
        """The limits and defaults that turn a draft into a task."""
        return TaskRules(
            limits=self.task_limits(),
            defaults=self.task_defaults(),
            write_concerns=self.store.write_concerns,
        )

    def task_limits(self) -> TaskLimits:
        """The bounds on what a task may ask for, and where it may lead."""
        names = frozenset(self.callbacks.secrets)
        return TaskLimits(**self.limits.model_dump(), reach=self.reach(), callback_secrets=names)

    def reach(self) -> Reach:
        """The targets that tasks may have."""
        fetch, redis = self.fetch, f"redis://{','.join(self.redis.addr)}"
        services = [service_endpoints(url) for url in (*self.rabbit.addr, self.store.url or redis)]
        listeners = [listener_endpoints(each.addr, each.port) for each in (self.api, self.server)]
        return Reach(
            allow_private=fetch.allow_private,
            allow_loopback=fetch.allow_loopback,
            ports=fetch.ports,
            endpoints=tuple(chain(*services, *listeners)),
        )

    def task_defaults(self) -> TaskDefaults:
        """What a draft gets where it says nothing."""
        return TaskDefaults(
            timeout=self.fetch.timeout,
            max_attempts=self.retry.max_attempts,
            retry=self.retry_policy(),
            retry_unsafe=self.retry.unsafe,
            write_concern=self.store.write_concern,
            callback=CallbackDefaults(
                timeout=self.callbacks.timeout,
                max_attempts=self.callbacks.max_attempts,
                retry=RetryPolicy(delays=self.callbacks.delays),
            ),
        )

    def retry_policy(self) -> RetryPolicy:
        """The delays between the attempts of a task that has no policy of its own."""
        return RetryPolicy(**self.retry.model_dump(exclude={"max_attempts", "unsafe"}))

    def retention(self) -> Retention:
        """How long finished tasks are kept."""
        kept = self.results
        return Retention(succeeded=kept.keep, failed=kept.keep_failed, cancelled=kept.keep_cancelled)

    def politeness(self) -> Politeness:
        """The dials for dealing with hosts."""
        dials = self.hosts
        return Politeness(
            breaker=BreakerDials(
                failures=dials.breaker_failures,
                cooldown=dials.breaker_cooldown,
                longest=dials.breaker_longest,
                probes=dials.breaker_probes,
            ),
            back_pressure=dials.back_pressure,
            longest_pause=dials.longest_pause,
            longest_wait=dials.longest_wait,
            slow=dials.slow,
            share=dials.share,
        )

    def lane_weights(self) -> dict[Lane, int]:
        """The turns that each lane gets when all have something waiting."""
        return dict(zip(Lane, self.workers.weights, strict=True))

    def scaling_bounds(self) -> Bounds:
        """The dials of the supervisor's decision."""
        workers = self.workers
        return Bounds(
            min_workers=workers.min_workers,
            max_workers=workers.max_workers,
            cooldown=workers.cooldown,
            drain_within=workers.drain_within,
        )
