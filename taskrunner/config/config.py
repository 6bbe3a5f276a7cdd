"""The whole configuration, and what the rest of the program gets from it.

Durations are seconds, sizes are bytes. A model alone checks each value by itself; limits that cross are
found by `taskrunner.config.loading`.
"""

from itertools import chain
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskrunner.config.endpoints import listener_endpoints, service_endpoints
from taskrunner.config.sections.faces import Api, Logger, Server
from taskrunner.config.sections.fetch import Fetch
from taskrunner.config.sections.flow import Relay, Results, Schedules, Workers
from taskrunner.config.sections.hosts import Hosts
from taskrunner.config.sections.services import Rabbit, Redis, Store
from taskrunner.config.sections.tasks import Callbacks, Limits, Retry
from taskrunner.domain.callback import CallbackDefaults
from taskrunner.domain.circuit_breaker import BreakerSettings
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.scaling import ScalingSettings
from taskrunner.domain.settlement import Retention
from taskrunner.domain.ssrf_policy import SsrfPolicy
from taskrunner.domain.task import Priority
from taskrunner.domain.task_limits import Limits as TaskLimits
from taskrunner.domain.task_settings import TaskDefaults, TaskSettings


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
        """Every section and setting by the names of the file, as JSON values, secrets masked."""
        return {name.capitalize(): section.redacted() for name, section in self}

    def task_settings(self) -> TaskSettings:
        """The limits and defaults that turn a draft into a task."""
        return TaskSettings(
            limits=self.task_limits(),
            defaults=self.task_defaults(),
            write_concerns=self.store.write_concerns,
        )

    def task_limits(self) -> TaskLimits:
        """The bounds on what a task may ask for, and where it may lead."""
        return TaskLimits(
            **self.limits.model_dump(),
            ssrf_policy=self.ssrf_policy(),
            callback_secrets=frozenset(self.callbacks.secrets),
            tls_profiles={name: profile.hosts for name, profile in self.fetch.tls.items()},
        )

    def ssrf_policy(self) -> SsrfPolicy:
        """The targets that tasks may have."""
        fetch, redis = self.fetch, f"redis://{','.join(self.redis.addr)}"
        services = [
            service_endpoints(url) for url in (*self.rabbit.addr, self.store.url or redis, fetch.proxy or "")
        ]
        listeners = [listener_endpoints(each.addr, each.port) for each in (self.api, self.server)]
        return SsrfPolicy(
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

    def host_settings(self) -> HostSettings:
        """The settings for dealing with hosts."""
        settings = self.hosts
        return HostSettings(
            breaker=BreakerSettings(
                failures=settings.breaker_failures,
                cooldown=settings.breaker_cooldown,
                longest=settings.breaker_longest,
                probes=settings.breaker_probes,
            ),
            back_pressure=settings.back_pressure,
            longest_pause=settings.longest_pause,
            longest_wait=settings.longest_wait,
            slow=settings.slow,
            share=settings.share,
        )

    def queue_weights(self) -> dict[Priority, int]:
        """The turns that each queue gets when all have something waiting."""
        return dict(zip(Priority, self.workers.weights, strict=True))

    def scaling_settings(self) -> ScalingSettings:
        """The settings of the supervisor's decision."""
        workers = self.workers
        return ScalingSettings(
            min_workers=workers.min_workers,
            max_workers=workers.max_workers,
            cooldown=workers.cooldown,
            drain_within=workers.drain_within,
        )
