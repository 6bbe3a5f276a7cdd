"""The services that several commands run, each for as long as its context lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from taskrunner.api.app import build_monitor_app
from taskrunner.api.auth.access import Access
from taskrunner.api.auth.access_settings import Auth
from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ServerSettings
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.relay import make_relay
from taskrunner.app.stop_report import stop_reported
from taskrunner.config.sections.servers import ApiSection, ServerSection
from taskrunner.domain.errors import ConfigInvalid, FieldError, OutsideError
from taskrunner.domain.process_events import ApiOpened, StopRequested
from taskrunner.domain.queues.queue import check_declared
from taskrunner.monitor.outage_reminder import OutageReminder
from taskrunner.producer.change_reporter import ChangeReporter
from taskrunner.producer.cleaner import Cleaner
from taskrunner.producer.scheduler import Scheduler
from taskrunner.producer.settings import SchedulerSettings
from taskrunner.runtime.service import Service
from taskrunner.runtime.service_manager import READY, STOPPING
from taskrunner.runtime.signals import Signals

# Seconds after a second signal. The consumer gives itself 3 s to settle the attempts that it interrupts.
ABORT_WITHIN = 5.0


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """Run a service inside."""
    await service.start()
    try:
        yield
    finally:
        await service.stop()


@asynccontextmanager
async def relay_running(platform: Platform) -> AsyncIterator[None]:
    """Run the relay, the cleaner and the change reporter inside.

    Every long-lived process runs them, as any number may run.
    """
    async with (
        running(make_relay(platform)),
        running(_make_cleaner(platform)),
        running(_make_change_reporter(platform)),
    ):
        yield


@asynccontextmanager
async def stop_and_outages_reported(
    platform: Platform, signals: Signals, waits_for: Callable[[], str | None] = lambda: None
) -> AsyncIterator[None]:
    """Report inside what a long stop waits for, and each server that stays unreachable. Enter it first.

    systemd, too, is told inside that this process lives.
    """
    events, clock = platform.events, platform.clock

    def all_that_stops() -> str:
        return waits_for() or "requests under way, and the relay, the broker and the store to close"

    reminder = OutageReminder(events, clock)
    async with (
        running(platform.service_manager),
        running(reminder),
        stop_reported(signals.first, events, clock, all_that_stops),
    ):
        yield


def _make_change_reporter(platform: Platform) -> ChangeReporter:
    return ChangeReporter(
        platform.store,
        platform.events,
        platform.clock,
        platform.webhooks,
        name=platform.process_name,
    )


def _make_cleaner(platform: Platform) -> Cleaner:
    config = platform.config
    retention, interval = config.retention_settings(), config.relay.poll_interval
    return Cleaner(
        platform.store,
        platform.events,
        platform.clock,
        retention,
        platform.webhooks.source,
        interval=interval,
    )


def make_scheduler(platform: Platform) -> Scheduler:
    config = platform.config
    settings = config.schedules.settings(SchedulerSettings, poll_interval=config.relay.poll_interval)
    return Scheduler(
        platform.store,
        platform.events,
        platform.clock,
        platform.task_settings,
        settings,
        platform.webhooks.source,
        config.retention_settings(),
    )


@asynccontextmanager
async def watches_running(platform: Platform) -> AsyncIterator[None]:
    """Watch what all processes share inside; all of it is known from the start if the store answers.

    Raises `ConfigInvalid` for a configured key that has the name of a stored one.
    """
    with suppress(OutsideError):
        await platform.executors.turn()
        await platform.pauses.turn()
        await platform.queues.turn()
        await platform.keys.turn()
        await platform.webhooks.turn()
    platform.keys.check_names(platform.keys.configured)
    async with (
        running(platform.executors),
        running(platform.pauses),
        running(platform.queues),
        running(platform.keys),
        running(platform.webhooks),
    ):
        yield


def refuse_undeclared_queues(platform: Platform) -> None:
    """Raises `ConfigInvalid` for a queue to serve that nobody declared.

    While the store is away its queues are not known; then a queue is served as soon as it is declared.
    """
    declared = platform.queues.declared
    for name in platform.config.workers.queues or ():
        try:
            if declared.stored is not None:
                check_declared(name, declared.names)
        except ValueError as exc:
            raise ConfigInvalid([FieldError(field="Workers.queues", message=str(exc))]) from exc


def refuse_open_addresses(platform: Platform) -> None:
    """Raises `ConfigInvalid` for a server that other machines reach and that everybody could use.

    One that is open by configuration is told. While the store is away its keys are not known; until they are,
    nobody without one is answered.
    """
    _refuse_open(platform, "Api.addr", platform.config.api.addr)
    if platform.config.grpc.enabled:
        _refuse_open(platform, "Grpc.addr", platform.config.grpc.addr)


def _refuse_open(platform: Platform, setting: str, addr: str) -> None:
    access, keys = platform.config.access_settings(addr), platform.keys
    if access.auth is Auth.NONE:
        platform.events.emit(ApiOpened(address=addr))
        return
    if access.local or keys.names or not keys.is_known:
        return
    message = (
        f"{addr} can be reached from other machines, and there is no API key: make one with "
        "`taskrunner keys create NAME --scope admin` or give Api.keys, or listen on 127.0.0.1; "
        "Api.auth: none lets everybody in"
    )
    raise ConfigInvalid([FieldError(field=setting, message=message)])


@asynccontextmanager
async def server_running(
    app: web.Application,
    platform: Platform,
    section: ApiSection | ServerSection,
    settings: ServerSettings,
    section_name: str,
) -> AsyncIterator[WebServer]:
    """Serve `app` inside, at the address of its section."""
    server = WebServer(
        app,
        section.addr,
        section.port,
        events=platform.events,
        options=settings,
        setting=f"{section_name}.port",
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def monitor_page_running(platform: Platform, monitor: Monitor) -> AsyncIterator[None]:
    """Serve the page of health and statistics inside."""
    config = platform.config
    access = Access(platform.keys, config.access_settings(config.server.addr), platform.key_limiter)
    page = build_monitor_app(
        health=monitor.health,
        stats=monitor.stats,
        metrics=monitor.metrics,
        access=access,
        trail=platform.audit,
    )
    settings = ServerSettings(hosts=config.api.hosts, trusted_proxies=config.api.trusted_proxies)
    async with server_running(page, platform, config.server, settings, "Server"):
        yield


async def until_signal(signals: Signals, monitor: Monitor, platform: Platform) -> None:
    """Be ready until the first signal."""
    monitor.health.open()
    platform.service_manager.tell(READY)
    await signals.first.wait()
    platform.service_manager.tell(STOPPING)
    monitor.health.close("shutting down")
    platform.events.emit(StopRequested(signal=signals.name))


async def finish_unless(abort: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, or cancel it as soon as `abort` is set."""
    working, aborted = asyncio.ensure_future(work), asyncio.ensure_future(abort.wait())
    try:
        await asyncio.wait((working, aborted), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for each in (working, aborted):
            each.cancel()
        await asyncio.gather(working, aborted, return_exceptions=True)
