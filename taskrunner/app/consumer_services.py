"""What runs tasks: the consumer with its workers, the autoscaler, and the collector of dead letters."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace

from taskrunner.app.adapters import egress_proxy
from taskrunner.app.handlers import HandlerFactories
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Reload
from taskrunner.app.services import running
from taskrunner.config import Config
from taskrunner.config.tls_profiles import read_key_passwords
from taskrunner.config.worker_caps import files_needed, worker_caps
from taskrunner.consumer.affinity import Affinity
from taskrunner.consumer.autoscaler import Autoscaler
from taskrunner.consumer.collector import Collector
from taskrunner.consumer.consumer import Consumer
from taskrunner.consumer.handler_registration import HandlerRegistration
from taskrunner.consumer.processes.process_pool import ProcessPool
from taskrunner.consumer.self_report import SelfReport
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.thread_pool import ThreadPool
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.events import WorkersCapped
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.system_trust import find_system_trust
from taskrunner.monitor.health import Check
from taskrunner.monitor.stats import Provider
from taskrunner.runtime.file_limit import raise_file_limit
from taskrunner.runtime.machine_limits import MachineLimits


class ConsumerServices:
    """Nothing runs before `running`.

    `in_processes`: the worker threads get processes of their own, see `docs/decisions/worker-process.md`.
    Handlers of the user always get one. Raises `ConfigInvalid`, `HandlersInvalid`.
    """

    def __init__(self, platform: Platform, *, in_processes: bool) -> None:
        config = platform.config
        self._config = config
        self._events = platform.events
        self._pauses = platform.pauses
        self._queues = platform.queues
        self._grace = config.workers.shutdown_grace
        self._fetch_settings = _fetch_settings(config)
        self._factories = HandlerFactories(config)
        factory = self._factories.make(self._fetch_settings)
        pool = (
            ProcessPool(config.workers.process_count(), factory, platform.events)
            # Whatever a handler does, it does it to a process that can be replaced.
            if in_processes or self._factories.handlers
            else ThreadPool(factory, platform.events)
        )
        name = platform.process_name
        self._consumer = _make_consumer(platform, pool, name, self._factories.executors)
        self._autoscaler = Autoscaler(
            self._consumer,
            platform.broker,
            platform.events,
            config.scaling_settings(),
            interval=config.workers.interval,
        )
        self.report = SelfReport(self._consumer, self._autoscaler, platform.broker, platform.clock, name=name)
        handlers = self._factories.handlers
        self._registration = (
            HandlerRegistration(
                platform.store, platform.events, platform.clock, platform.task_settings, handlers
            )
            if handlers
            else None
        )
        self._collector = Collector(
            platform.store,
            platform.broker,
            platform.events,
            platform.clock,
            platform.task_settings,
            platform.webhooks.source,
            keep=config.retention.failed,
        )

    def reload_with(self, reload: Reload) -> None:
        """Have host limits, secrets and credentials change with a reload."""
        reload.add("Hosts.limits", lambda config: self._consumer.configure_host_limits(config.hosts.limits))
        for setting in ("Callbacks.secrets", "Fetch.credentials", "Fetch.issuer"):
            reload.add(setting, self._change_credentials)

    def _change_credentials(self, config: Config) -> None:
        self._fetch_settings = replace(
            self._fetch_settings,
            secrets=config.callbacks.secrets,
            credentials=config.fetch.credentials,
            issuer=config.fetch.issuer,
        )
        self._consumer.pool.adopt(self._factories.make(self._fetch_settings))

    def providers(self) -> dict[str, Provider]:
        """The consumer's part of `/stats`."""
        return {"workers": self._autoscaler.describe, "in_flight": lambda: self._consumer.in_flight}

    def waits_for(self) -> str | None:
        """The running attempts that a stop waits for, as text; None if there are none."""
        running = self._consumer.in_flight
        return f"{running} running attempts, for up to {self._grace:g} s" if running else None

    def check(self) -> Check:
        """Whether tasks can run."""
        trouble = self._consumer.pool.trouble
        return Check(ok=trouble is None, error=trouble)

    @asynccontextmanager
    async def running(self, abort: asyncio.Event) -> AsyncIterator[None]:
        """Tasks run inside. At the end, running tasks get the grace time, unless `abort` is set."""
        machine = MachineLimits.read()
        raise_file_limit(files_needed(self._config, machine))
        for cap in worker_caps(self._config, machine):
            self._events.emit(WorkersCapped(cap=cap))
        async with running(self._autoscaler), self._affinity_running(), self._registration_running():
            self._collector.start()
            self._queues.subscribe(self._consumer.apply_queues)
            self._pauses.subscribe(self._consumer.apply_pauses)
            await self._consumer.start()
            yield
            await self._consumer.stop(self._config.workers.shutdown_grace, abort)

    def _registration_running(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._registration is None else running(self._registration)

    def _affinity_running(self) -> AbstractAsyncContextManager[None]:
        if self._config.workers.affinity != "auto" or not hasattr(os, "sched_setaffinity"):
            return nullcontext()
        return running(Affinity(self._events, self._consumer.pool))


def _make_consumer(platform: Platform, pool: WorkerPool, name: str, executors: frozenset[str]) -> Consumer:
    config = platform.config
    settings = config.workers.settings(
        ConsumerSettings,
        name=name,
        prefetch=config.rabbit.prefetch,
        hold=config.relay.hold,
        executors=executors,
        workers=config.workers.max_workers,
        host_settings=config.host_settings(),
        host_limits=config.hosts.limits,
    )
    return Consumer(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        platform.task_settings,
        config.retention_settings(),
        platform.webhooks.source,
        pool,
        settings,
    )


def _fetch_settings(config: Config) -> FetchSettings:
    """Raises `ConfigInvalid` for files of TLS profiles that cannot be used."""
    section = config.fetch
    return section.settings(
        FetchSettings,
        trust=find_system_trust(),
        limits=config.task_limits(),
        proxy=egress_proxy(config),
        key_passwords=read_key_passwords(section.tls),
        secrets=config.callbacks.secrets,
    )
