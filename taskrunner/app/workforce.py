"""The workforce: the consumer with its workers, the supervisor, and the collector of dead letters."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from taskrunner.app.platform import Platform
from taskrunner.app.services import started
from taskrunner.config import Config
from taskrunner.config.tls_profiles import read_key_passwords
from taskrunner.consumer.affinity import Affinity
from taskrunner.consumer.autoscaler import Autoscaler
from taskrunner.consumer.collector import Collector
from taskrunner.consumer.consumer import Consumer, ConsumerSettings, MakePool
from taskrunner.consumer.processes.process_pool import ProcessPool
from taskrunner.consumer.thread_pool import ThreadPool
from taskrunner.handlers.http.handler_factory import HttpHandlerFactory
from taskrunner.handlers.http.settings import EgressProxy, FetchSettings
from taskrunner.handlers.http.system_trust import find_system_trust
from taskrunner.monitor.health import Check
from taskrunner.monitor.stats import Provider


class Workforce:
    """Everything that runs tasks; nothing runs before `working`.

    `apart`: the worker threads get processes of their own, see `docs/decisions/worker-process.md`. Raises
    `ConfigInvalid`.
    """

    def __init__(self, platform: Platform, *, apart: bool) -> None:
        config = platform.config
        self._config = config
        self._events = platform.events
        self._pauses = platform.pauses
        factory = HttpHandlerFactory(_fetch_policy(config))
        workers = partial(ProcessPool, config.workers.process_count()) if apart else ThreadPool
        self._consumer = _consumer(platform, partial(workers, factory))
        self._supervisor = Autoscaler(
            self._consumer,
            platform.broker,
            platform.events,
            config.scaling_bounds(),
            interval=config.workers.interval,
        )
        self._collector = Collector(
            platform.store,
            platform.broker,
            platform.events,
            platform.clock,
            config.task_policy(),
            keep=config.results.keep_failed,
        )

    def providers(self) -> dict[str, Provider]:
        """Its own part of `/stats`."""
        return {"workers": self._supervisor.describe, "in_flight": lambda: self._consumer.in_flight}

    def check(self) -> Check:
        """Whether tasks can run."""
        trouble = self._consumer.pool.trouble
        return Check(ok=trouble is None, error=trouble)

    def _on_one_processor(self) -> AbstractAsyncContextManager[None]:
        if self._config.workers.affinity != "auto" or not hasattr(os, "sched_setaffinity"):
            return nullcontext()
        return started(Affinity(self._events, self._consumer.pool))

    @asynccontextmanager
    async def working(self, abort: asyncio.Event) -> AsyncIterator[None]:
        """Tasks run inside; at the end those that run get the grace time, unless `abort` is set."""
        async with started(self._supervisor), self._on_one_processor():
            self._collector.start()
            self._pauses.apply(self._consumer.apply)
            await self._consumer.start()
            yield
            await self._consumer.stop(self._config.workers.shutdown_grace, abort)


def _consumer(platform: Platform, make_pool: MakePool) -> Consumer:
    config = platform.config
    settings = ConsumerSettings(
        # A name that no earlier process had: a claim is repeated only by the process that made it.
        name=f"{config.workers.name}-{secrets.token_hex(3)}",
        queues=config.workers.queues,
        weights=config.queue_weights(),
        prefetch=config.rabbit.prefetch,
        lease=config.workers.lease,
        hold=config.relay.hold,
        workers=config.workers.max_workers,
        host_policy=config.host_policy(),
        host_limits=config.hosts.limits,
    )
    return Consumer(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        config.task_policy(),
        config.retention(),
        make_pool,
        settings,
    )


def _fetch_policy(config: Config) -> FetchSettings:
    """Raises `ConfigInvalid` for files of TLS profiles that cannot be used."""
    settings = config.fetch
    return FetchSettings(
        connect_timeout=settings.connect_timeout,
        first_byte_timeout=settings.first_byte_timeout,
        idle_timeout=settings.idle_timeout,
        max_body_bytes=settings.max_body_bytes,
        store_body_bytes=settings.store_body_bytes,
        max_header_bytes=settings.max_header_bytes,
        max_redirects=settings.max_redirects,
        user_agent=settings.user_agent,
        http2=settings.http2,
        trust=find_system_trust(),
        limits=config.task_limits(),
        proxy=EgressProxy.from_url(settings.proxy, resolves=settings.proxy_resolves)
        if settings.proxy
        else None,
        tls=settings.tls,
        key_passwords=read_key_passwords(settings.tls),
        secrets=config.callbacks.secrets,
    )
