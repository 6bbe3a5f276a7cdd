"""The services that both `serve` and `consume` run, each for as long as its context lasts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from taskrunner.api.app import build_monitor_app
from taskrunner.api.server import WebServer
from taskrunner.api.settings import ServerSettings
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.config.sections.faces import Api, Server
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events, StopRequested
from taskrunner.producer.cleaner import Cleaner
from taskrunner.producer.relay import Relay, RelaySettings
from taskrunner.producer.scheduler import Scheduler, SchedulerSettings
from taskrunner.runtime.service import Service
from taskrunner.runtime.signals import Signals

# After a second signal: the consumer's own bound for settling what it interrupts is 3 s.
ABORT_WITHIN = 5.0


@asynccontextmanager
async def relaying(platform: Platform) -> AsyncIterator[None]:
    """Whatever is due in the store is done inside; every process that lives for long has a part in it."""
    async with started(make_relay(platform)), started(_cleaner(platform)):
        yield


def make_relay(platform: Platform) -> Relay:
    section = platform.config.relay
    settings = RelaySettings(
        poll_interval=section.poll_interval,
        batch_size=section.batch_size,
        attempts=section.max_attempts,
        hold=section.hold,
        forgotten_after=section.forgotten_after,
        lease=platform.config.workers.lease,
    )
    return Relay(
        platform.store,
        platform.broker,
        platform.publisher,
        platform.events,
        platform.clock,
        settings,
        platform.config.retention(),
        lambda: platform.pauses.current,
    )


def _cleaner(platform: Platform) -> Cleaner:
    config = platform.config
    interval = config.relay.poll_interval
    return Cleaner(platform.store, platform.events, platform.clock, config.retention(), interval=interval)


def make_scheduler(platform: Platform) -> Scheduler:
    config = platform.config
    settings = SchedulerSettings(
        poll_interval=config.relay.poll_interval,
        grace=config.schedules.grace,
        catch_up=config.schedules.catch_up,
    )
    return Scheduler(platform.store, platform.events, platform.clock, config.task_settings(), settings)


@asynccontextmanager
async def pauses_watched(platform: Platform) -> AsyncIterator[None]:
    """What is paused is known inside, from the beginning where the store can be reached."""
    with suppress(OutsideError):
        await platform.pauses.turn()
    async with started(platform.pauses):
        yield


@asynccontextmanager
async def started(service: Service) -> AsyncIterator[None]:
    await service.start()
    try:
        yield
    finally:
        await service.stop()


@asynccontextmanager
async def serving(
    app: web.Application, platform: Platform, settings: Api | Server, options: ServerSettings, section: str
) -> AsyncIterator[WebServer]:
    server = WebServer(
        app, settings.addr, settings.port, events=platform.events, options=options, setting=f"{section}.port"
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def monitor_served(platform: Platform, monitor: Monitor) -> AsyncIterator[None]:
    """The page of health and statistics listens inside."""
    page = build_monitor_app(health=monitor.health, stats=monitor.stats, metrics=monitor.metrics)
    async with serving(page, platform, platform.config.server, ServerSettings(), "Server"):
        yield


async def until_signal(signals: Signals, monitor: Monitor, events: Events) -> None:
    monitor.health.open()
    await signals.first.wait()
    monitor.health.close("shutting down")
    events.emit(StopRequested(signal=signals.name))


async def unless(abort: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, or give it up as soon as `abort` is set."""
    working, aborted = asyncio.ensure_future(work), asyncio.ensure_future(abort.wait())
    try:
        await asyncio.wait((working, aborted), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for each in (working, aborted):
            each.cancel()
        await asyncio.gather(working, aborted, return_exceptions=True)
