"""The whole configuration, and what the rest of the program gets from it.

Durations are seconds, sizes are bytes. A model checks each value alone; `taskrunner.config.cross_checks`
finds settings that contradict each other.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.config.api_keys import key_of
from taskrunner.config.endpoints import listener_endpoints, service_endpoints
from taskrunner.config.sections.backends import RabbitSection, RedisSection, StoreSection
from taskrunner.config.sections.fetch import FetchSection
from taskrunner.config.sections.hosts import HostsSection
from taskrunner.config.sections.producer import RelaySection, SchedulesSection
from taskrunner.config.sections.servers import (
    ApiSection,
    GrpcSection,
    LoggerSection,
    MonitorSection,
    ServerSection,
)
from taskrunner.config.sections.tasks import CallbacksSection, LimitsSection, RetentionSection, RetrySection
from taskrunner.config.sections.workers import QueuesSection, WorkersSection
from taskrunner.domain.fleet.scaling import ScalingSettings
from taskrunner.domain.hosts.circuit_breaker import BreakerSettings
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.address import is_loopback, parse_address
from taskrunner.domain.targets.credential import use_of
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.callback import CallbackDefaults
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults, TaskSettings


class Config(BaseModel):
    """The whole configuration. `Config()` has every default; `taskrunner.config.load` reads the real one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    server: ServerSection = ServerSection()
    api: ApiSection = ApiSection()
    grpc: GrpcSection = GrpcSection()
    rabbit: RabbitSection = RabbitSection()
    store: StoreSection = StoreSection()
    redis: RedisSection = RedisSection()
    monitor: MonitorSection = MonitorSection()
    logger: LoggerSection = LoggerSection()
    workers: WorkersSection = Field(default_factory=WorkersSection)
    queues: QueuesSection = QueuesSection()
    retry: RetrySection = RetrySection()
    fetch: FetchSection = FetchSection()
    limits: LimitsSection = LimitsSection()
    retention: RetentionSection = RetentionSection()
    relay: RelaySection = RelaySection()
    schedules: SchedulesSection = SchedulesSection()
    callbacks: CallbacksSection = CallbacksSection()
    hosts: HostsSection = HostsSection()
    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting that does not have its default comes from, by its name (`Rabbit.addr`)."""
        return self._sources

    def with_sources(self, sources: Mapping[str, str]) -> Self:
        """The same, with the source of each setting."""
        copied = self.model_copy()
        copied._sources = sources
        return copied

    def redacted(self) -> dict[str, dict[str, Any]]:
        """Every section and setting by the names of the file, as JSON values, with secrets masked."""
        return {name.capitalize(): section.redacted() for name, section in self}

    def api_keys(self) -> tuple[ApiKey, ...]:
        """The keys that the configuration has."""
        return tuple(key_of(name, words) for name, words in self.api.keys.items())

    def access_settings(self, addr: str) -> AccessSettings:
        """Who may ask a server that listens on `addr`."""
        address = parse_address(addr)
        local = addr == "localhost" or (address is not None and is_loopback(address))
        return AccessSettings(auth=self.api.auth, local=local, monitor=self.monitor.auth == "keys")

    def task_settings(self) -> TaskSettings:
        """The limits and defaults that turn a draft into a task."""
        return TaskSettings(
            limits=self.task_limits(),
            defaults=self.task_defaults(),
            write_concerns=self.store.write_concerns,
        )

    def task_limits(self) -> TaskLimits:
        """The bounds on what a task may ask for, and the targets that it may have."""
        return self.limits.settings(
            TaskLimits,
            queues=tuple(self.queues.weights()),
            ssrf_policy=self.ssrf_policy(),
            callback_secrets={name: secret.hosts for name, secret in self.callbacks.secrets.items()},
            tls_profiles={name: profile.hosts for name, profile in self.fetch.tls.items()},
            credentials={name: use_of(each) for name, each in self.fetch.credentials.items()},
        )

    def ssrf_policy(self) -> SsrfPolicy:
        """The targets that tasks may have."""
        stores = [self.store.url] if self.store.url else [f"redis://{addr}" for addr in self.redis.addr]
        urls = (*self.rabbit.addr, *stores, self.fetch.proxy or "")
        listeners = [listener_endpoints(each.addr, each.port) for each in (self.api, self.grpc, self.server)]
        endpoints = tuple(chain(*map(service_endpoints, urls), *listeners))
        return self.fetch.settings(SsrfPolicy, endpoints=endpoints)

    def task_defaults(self) -> TaskDefaults:
        """What a draft gets where it says nothing."""
        callback = self.callbacks.settings(CallbackDefaults, retry=RetryPolicy(delays=self.callbacks.delays))
        return TaskDefaults(
            timeout=self.fetch.timeout,
            max_attempts=self.retry.max_attempts,
            retry=self.retry.settings(RetryPolicy),
            retry_unsafe=self.retry.unsafe,
            write_concern=self.store.write_concern,
            callback=callback,
        )

    def retention_settings(self) -> RetentionSettings:
        """How long finished tasks are kept."""
        return self.retention.settings(RetentionSettings)

    def host_settings(self) -> HostSettings:
        """The settings for dealing with hosts."""
        section = self.hosts
        breaker = BreakerSettings(
            failures=section.breaker_failures,
            cooldown=section.breaker_cooldown,
            longest=section.breaker_longest,
            probes=section.breaker_probes,
        )
        return section.settings(HostSettings, breaker=breaker)

    def scaling_settings(self) -> ScalingSettings:
        """The settings of the autoscaler's decision."""
        return self.workers.settings(ScalingSettings)
