"""`taskrunner consume`: the supervisor, its workers, the collector of dead letters, and the relay."""

import os
import secrets
from contextlib import AsyncExitStack

from taskrunner.api.app import build_monitor_app
from taskrunner.api.options import ServerOptions
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import make_relay, serving, started, until_signal
from taskrunner.config import Config
from taskrunner.consumer.affinity import Affinity
from taskrunner.consumer.collector import Collector
from taskrunner.consumer.consumer import Consumer, ConsumerSettings
from taskrunner.consumer.supervisor import Supervisor
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.line import Watch
from taskrunner.handlers.http.policy import FetchPolicy
from taskrunner.monitor.stats import Provider
from taskrunner.runtime.signals import Signals


async def consume(config: Config) -> int:
    """The supervisor, its workers and the relay, until a signal."""
    signals = Signals()
    platform = Platform(config)
    watch = Watch()
    consumer = _consumer(platform, watch)
    supervisor = Supervisor(
        consumer,
        platform.broker,
        platform.events,
        config.scaling_bounds(),
        lanes=config.workers.queues,
        interval=config.workers.interval,
    )
    collector = Collector(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        config.task_limits(),
        keep=config.results.keep_failed,
    )
    providers: dict[str, Provider] = {
        "workers": supervisor.describe,
        "in_flight": lambda: consumer.in_flight,
    }
    monitor = Monitor(platform, consuming=True, providers=providers)
    page = build_monitor_app(health=monitor.health, stats=monitor.stats, metrics=monitor.metrics)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(page, platform, config.server, ServerOptions(), "Server"))
        await stack.enter_async_context(platform.running())
        await stack.enter_async_context(started(make_relay(platform)))
        await stack.enter_async_context(started(supervisor))
        watch.start()
        stack.callback(watch.stop)
        if config.workers.affinity == "auto" and hasattr(os, "sched_setaffinity"):
            await stack.enter_async_context(
                started(Affinity(platform.events, lambda: consumer.pool.finished))
            )
        collector.start()
        await consumer.start()
        await until_signal(signals, monitor.health)
        await consumer.stop(config.workers.shutdown_grace, signals.second)
    return signals.exit_code


def _consumer(platform: Platform, watch: Watch) -> Consumer:
    config = platform.config
    settings = ConsumerSettings(
        # A name that no earlier process had: a claim is repeated only by the process that made it.
        name=f"{config.workers.name}-{secrets.token_hex(3)}",
        lanes=config.workers.queues,
        weights=config.lane_weights(),
        prefetch=config.rabbit.prefetch,
        lease=config.workers.lease,
        hold=config.relay.hold,
    )
    policy = _fetch_policy(config)
    return Consumer(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        config.task_rules(),
        config.retention(),
        lambda: HttpHandler(policy, watch),
        settings,
    )


def _fetch_policy(config: Config) -> FetchPolicy:
    dials = config.fetch
    return FetchPolicy(
        connect_timeout=dials.connect_timeout,
        max_body_bytes=dials.max_body_bytes,
        store_body_bytes=dials.store_body_bytes,
        max_header_bytes=dials.max_header_bytes,
        max_redirects=dials.max_redirects,
        user_agent=dials.user_agent,
    )
