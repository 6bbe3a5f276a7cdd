"""`taskrunner serve`: the HTTP API and the relay."""

from contextlib import AsyncExitStack

from taskrunner.api.app import build_api
from taskrunner.api.options import ApiOptions, ServerOptions
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.services import make_relay, serving, started, until_signal
from taskrunner.config import Config
from taskrunner.producer.revival import Revival
from taskrunner.runtime.signals import Signals


async def serve(config: Config) -> int:
    """The API and the relay, until a signal."""
    signals = Signals()
    platform = Platform(config)
    revival = Revival(
        platform.store, platform.intake, platform.publisher, platform.clock, hold=config.relay.hold
    )
    monitor = Monitor(platform, consuming=False, providers={})
    api = build_api(
        intake=platform.intake,
        revival=revival,
        store=platform.store,
        health=monitor.health,
        stats=monitor.stats,
        metrics=monitor.metrics,
        options=ApiOptions(
            request_timeout=config.api.request_timeout,
            max_request_bytes=config.api.max_body_bytes,
            inline_body_bytes=config.api.inline_body_bytes,
        ),
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(api, platform, config.api, _api_options(config), "Api")
        )
        await stack.enter_async_context(platform.running())
        await stack.enter_async_context(started(make_relay(platform)))
        await until_signal(signals, monitor.health)
        # First of all: what is still accepted needs the store, the broker and the relay.
        await server.stop()
    return signals.exit_code


def _api_options(config: Config) -> ServerOptions:
    return ServerOptions(
        request_timeout=config.api.request_timeout,
        keepalive_timeout=config.api.keepalive_timeout,
        shutdown_grace=config.api.shutdown_grace,
        max_url_bytes=config.limits.max_url_bytes,
        max_connections=config.api.max_connections,
    )
