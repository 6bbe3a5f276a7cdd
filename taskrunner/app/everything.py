"""`taskrunner all`: API, relay and workers in one process, on services or on a memory broker and a file."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from taskrunner.app.adapters import make_sql_store, sqlite_path
from taskrunner.app.consumer_services import ConsumerServices
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.serve import api_served
from taskrunner.app.services import (
    ABORT_WITHIN,
    make_scheduler,
    monitor_served,
    pauses_watched,
    relaying,
    started,
    unless,
    until_signal,
)
from taskrunner.config import Config
from taskrunner.domain.errors import StoreUnfit
from taskrunner.domain.events import Events
from taskrunner.producer.broker_refill import BrokerRefill, end_leases
from taskrunner.runtime.filelock import FileLock, LockTaken
from taskrunner.runtime.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What `dev` and the demo want beside `all`.

    `upgrade`: bring the schema up to date first. `monitor_page`: listen on the `Server` port too. `ready` is
    called with the API's port once tasks run; when it answers an exit code, that ends the process.
    """

    upgrade: bool = False
    monitor_page: bool = True
    ready: Callable[[int], Awaitable[int | None]] | None = None


async def run_all(config: Config, extras: Extras = Extras()) -> int:
    """API, relay and workers, until a signal. Raises `SetupError`, and `StoreUnavailable` with a file."""
    signals = Signals(abort_within=ABORT_WITHIN)
    async with AsyncExitStack() as stack:
        # Before the first look at the database: what an earlier process left is ours only under the lock.
        alone = stack.enter_context(_lock(config)) if _is_embedded(config) else None
        if extras.upgrade:
            await upgrade(config)
        platform = Platform(config)
        workforce = ConsumerServices(platform, apart=False)
        monitor = Monitor(platform, consuming=True, providers=workforce.providers())
        monitor.health.add("workers", workforce.check, needed=True)
        api = await stack.enter_async_context(api_served(platform, monitor))
        if extras.monitor_page:
            await stack.enter_async_context(monitor_served(platform, monitor))
        await stack.enter_async_context(platform.running(need_store=alone is not None))
        await platform.refuse_unkept_concern()
        if alone is not None:
            await end_leases(platform.store, platform.clock)
        await stack.enter_async_context(pauses_watched(platform))
        await stack.enter_async_context(relaying(platform))
        await stack.enter_async_context(started(make_scheduler(platform)))
        if not platform.broker.durable:
            refill = BrokerRefill(platform.store, platform.publisher, platform.events)
            await stack.enter_async_context(started(refill))
        await stack.enter_async_context(workforce.working(signals.second))
        monitor.health.open()
        code = await extras.ready(api.port) if extras.ready else None
        if code is not None:
            signals.second.set()
            return code
        await until_signal(signals, monitor, platform.events)
        # First of all: what is still accepted needs the store, the broker and the relay.
        await unless(signals.second, api.stop())
    return signals.exit_code


async def upgrade(config: Config) -> bool:
    """Bring the schema of a SQL store up to date; False for Redis, which has none.

    Raises `StoreUnavailable`, `StoreUnfit`.
    """
    store = make_sql_store(config, Events())
    if store is None:
        return False
    try:
        await store.upgrade()
    finally:
        await store.stop()
    return True


def _is_embedded(config: Config) -> bool:
    """Whether no other process can have a part in what the store says is queued or running."""
    return config.rabbit.in_memory and config.store.scheme == "sqlite"


def _lock(config: Config) -> FileLock:
    path = sqlite_path(config)
    try:
        return FileLock(path.with_name(path.name + ".lock"))
    except LockTaken as exc:
        raise StoreUnfit(
            f"{path} is in use by another taskrunner{exc.owner}: stop that one, "
            "or give this one a file of its own"
        ) from exc
    except OSError as exc:
        raise StoreUnfit(
            f"{path}: cannot make its lock file ({exc.strerror}): its folder must exist, have space, and "
            "be writable for this user"
        ) from exc
