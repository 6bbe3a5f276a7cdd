"""`taskrunner serve`: the HTTP API, the relay and the scheduler."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskrunner.api.app import build_api
from taskrunner.api.auth.access import Access
from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.app.adapters import refuse_memory_broker
from taskrunner.app.api_servers import ApiServers, grpc_running
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Read, Reload
from taskrunner.app.remote import make_remote
from taskrunner.app.reporting import reports_running
from taskrunner.app.services import (
    make_scheduler,
    refuse_open_addresses,
    relay_running,
    running,
    server_running,
    stop_and_outages_reported,
    until_signal,
    watches_running,
)
from taskrunner.config import Config
from taskrunner.config.in_force import in_force
from taskrunner.domain.masking import Masking
from taskrunner.producer.operation_runner import OperationRunner
from taskrunner.producer.schedule_admin import ScheduleAdmin
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.runtime.signals import Signals


async def serve(config: Config, *, read: Read) -> int:
    """Serve the API until a signal; returns the exit code. Raises `ConfigInvalid`.

    `read` reads the configuration again, for a reload.
    """
    refuse_memory_broker(config, "serve")
    # Nothing has to be given back: every accepted task is in the store.
    signals = Signals(abort_within=0.0, reloads=True)
    platform = Platform(config)
    monitor = Monitor(platform, consuming=False, providers={})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stop_and_outages_reported(platform, signals))
        servers = await stack.enter_async_context(api_running(platform, monitor))
        await stack.enter_async_context(platform.running())
        await platform.refuse_unkept_concern()
        await stack.enter_async_context(watches_running(platform))
        refuse_open_addresses(platform)
        await stack.enter_async_context(running(platform.sessions))
        await stack.enter_async_context(running(platform.task_quota))
        await stack.enter_async_context(running(platform.storage_quota))
        await stack.enter_async_context(relay_running(platform))
        await stack.enter_async_context(running(make_scheduler(platform)))
        await stack.enter_async_context(running(OperationRunner(platform.operation_runs)))
        await stack.enter_async_context(reports_running(platform, monitor))
        signals.reload_with(Reload(platform, monitor, read))
        await until_signal(signals, monitor, platform)
        # The API stops first: what it still accepts needs the store, the broker and the relay.
        await servers.stop()
    return signals.exit_code


@asynccontextmanager
async def api_running(platform: Platform, monitor: Monitor) -> AsyncIterator[ApiServers]:
    """The API listens inside. While the store is away, it answers requests for tasks with 503."""
    config = platform.config
    options = _api_settings(config)
    feed = TaskFeed(platform.store, platform.events, platform.clock)
    remote = make_remote(platform)
    api = build_api(
        intake=platform.intake,
        dry_runner=platform.dry_runner,
        requeue=platform.requeue,
        cancellation=platform.cancellation,
        bulk_actions=platform.bulk_actions,
        operations=platform.operations,
        hosts=platform.hosts,
        explainer=platform.explainer,
        feed=feed,
        fleet=platform.fleet,
        queues=platform.queue_admin,
        schedules=ScheduleAdmin(platform.store, platform.intake, platform.clock),
        store=platform.store,
        health=monitor.health,
        stats=monitor.stats,
        metrics=monitor.metrics,
        access=_access(platform),
        keys=platform.key_admin,
        key_watch=platform.keys,
        pauses=platform.pauses,
        sessions=platform.sessions,
        trail=platform.audit,
        token_keys=platform.token_keys,
        executors=platform.executor_admin,
        work=remote.work,
        attempts=remote.attempts,
        webhooks=platform.webhook_admin,
        process_name=platform.process_name,
        # That of the platform, which a reload changes.
        settings=lambda: in_force(platform.config),
        options=options,
    )
    settings = config.api.settings(ServerSettings, max_url_bytes=config.limits.max_url_bytes)
    async with (
        running(feed),
        server_running(api, platform, config.api, settings, "Api") as http,
        running(remote.work),
        grpc_running(platform, monitor, api, feed, remote, options) as grpc,
    ):
        yield ApiServers(http, grpc, remote)


def _access(platform: Platform) -> Access:
    return Access(
        platform.keys,
        platform.config.access_settings(platform.config.api.addr),
        platform.key_limiter,
        platform.sessions,
        platform.quotas,
    )


def _api_settings(config: Config) -> ApiSettings:
    """Those of `Api`, and those of `Fetch` that answers show."""
    return config.api.settings(
        ApiSettings,
        max_result_bytes=config.fetch.store_body_bytes,
        user_agent=config.fetch.user_agent,
        masking=Masking(config.fetch.mask_headers),
    )
