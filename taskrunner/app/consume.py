"""`taskrunner consume`: a consumer with its workers and autoscaler, the collector, and the relay."""

from contextlib import AsyncExitStack

from taskrunner.app.adapters import refuse_memory_broker
from taskrunner.app.consumer_services import ConsumerServices
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Read, Reload
from taskrunner.app.reporting import reports_running
from taskrunner.app.services import (
    ABORT_WITHIN,
    monitor_page_running,
    refuse_undeclared_queues,
    relay_running,
    stop_and_outages_reported,
    until_signal,
    watches_running,
)
from taskrunner.config import Config
from taskrunner.runtime.signals import Signals


async def consume(config: Config, *, read: Read) -> int:
    """Consume until a signal; returns the exit code. Raises `ConfigInvalid`.

    `read` reads the configuration again, for a reload.
    """
    refuse_memory_broker(config, "consume")
    signals = Signals(abort_within=ABORT_WITHIN, reloads=True)
    platform = Platform(config)
    consumer = ConsumerServices(platform, in_processes=True)
    monitor = Monitor(platform, consuming=True, providers=consumer.providers())
    monitor.health.add("workers", consumer.check, needed=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stop_and_outages_reported(platform, signals, consumer.waits_for))
        await stack.enter_async_context(monitor_page_running(platform, monitor))
        await stack.enter_async_context(platform.running())
        await stack.enter_async_context(watches_running(platform))
        refuse_undeclared_queues(platform)
        await stack.enter_async_context(relay_running(platform))
        await stack.enter_async_context(reports_running(platform, monitor, consumer.report))
        await stack.enter_async_context(consumer.running(signals.second))
        reload = Reload(platform, monitor, read)
        consumer.reload_with(reload)
        signals.reload_with(reload)
        await until_signal(signals, monitor, platform)
    return signals.exit_code
