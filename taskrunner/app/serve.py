"""`taskrunner serve`: the HTTP API, the relay and the scheduler."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskrunner.api.app import build_api
from taskrunner.api.options import ApiOptions, ServerOptions
from taskrunner.api.server import WebServer
from taskrunner.app.adapters import refuse_memory_broker
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import make_scheduler, pauses_watched, relaying, serving, started, until_signal
from taskrunner.config import Config
from taskrunner.domain.masking import Masking
from taskrunner.producer.schedules import Schedules
from taskrunner.runtime.signals import Signals


async def serve(config: Config) -> int:
    """The API, the relay and the scheduler, until a signal. Raises `ConfigInvalid`."""
    refuse_memory_broker(config, "serve")
    # Nothing here runs that could be given back: what was accepted is in the store.
    signals = Signals(abort_within=0.0)
    platform = Platform(config)
    monitor = Monitor(platform, consuming=False, providers={})
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api_served(platform, monitor))
        await stack.enter_async_context(platform.running())
        await platform.refuse_unkept_concern()
        await stack.enter_async_context(pauses_watched(platform))
        await stack.enter_async_context(relaying(platform))
        await stack.enter_async_context(started(make_scheduler(platform)))
        await until_signal(signals, monitor, platform.events)
        # First of all: what is still accepted needs the store, the broker and the relay.
        await server.stop()
    return signals.exit_code


@asynccontextmanager
async def api_served(platform: Platform, monitor: Monitor) -> AsyncIterator[WebServer]:
    """The API listens inside; it answers 503 to tasks while the store is not there."""
    config = platform.config
    api = build_api(
        intake=platform.intake,
        requeue=platform.requeue,
        cancellation=platform.cancellation,
        bulk_actions=platform.bulk_actions,
        hosts=platform.hosts,
        schedules=Schedules(platform.store, platform.intake, platform.clock),
        store=platform.store,
        health=monitor.health,
        stats=monitor.stats,
        metrics=monitor.metrics,
        options=ApiOptions(
            request_timeout=config.api.request_timeout,
            max_request_bytes=config.api.max_body_bytes,
            inline_body_bytes=config.api.inline_body_bytes,
            user_agent=config.fetch.user_agent,
            masking=Masking(config.fetch.mask_headers),
        ),
    )
    async with serving(api, platform, config.api, _api_options(config), "Api") as server:
        yield server


def _api_options(config: Config) -> ServerOptions:
    return ServerOptions(
        request_timeout=config.api.request_timeout,
        keepalive_timeout=config.api.keepalive_timeout,
        shutdown_grace=config.api.shutdown_grace,
        max_url_bytes=config.limits.max_url_bytes,
        max_connections=config.api.max_connections,
    )
