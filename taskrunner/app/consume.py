"""`taskrunner consume`: the supervisor, its workers, the collector of dead letters, and the relay."""

from contextlib import AsyncExitStack

from taskrunner.app.adapters import refuse_memory_broker
from taskrunner.app.consumer_services import ConsumerServices
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import ABORT_WITHIN, monitor_served, pauses_watched, relaying, until_signal
from taskrunner.config import Config
from taskrunner.runtime.signals import Signals


async def consume(config: Config) -> int:
    """The supervisor, its workers and the relay, until a signal. Raises `ConfigInvalid`."""
    refuse_memory_broker(config, "consume")
    signals = Signals(abort_within=ABORT_WITHIN)
    platform = Platform(config)
    workforce = ConsumerServices(platform, apart=True)
    monitor = Monitor(platform, consuming=True, providers=workforce.providers())
    monitor.health.add("workers", workforce.check, needed=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(monitor_served(platform, monitor))
        await stack.enter_async_context(platform.running())
        await stack.enter_async_context(pauses_watched(platform))
        await stack.enter_async_context(relaying(platform))
        await stack.enter_async_context(workforce.working(signals.second))
        await until_signal(signals, monitor, platform.events)
    return signals.exit_code
