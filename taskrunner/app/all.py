"""`taskrunner all`: API, relay and workers in one process, on servers or on a memory broker and a file."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from taskrunner.app.adapters import sqlite_path, upgrade_store
from taskrunner.app.api_servers import ApiServers
from taskrunner.app.consumer_services import ConsumerServices
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Read, Reload
from taskrunner.app.reporting import reports_running
from taskrunner.app.serve import api_running
from taskrunner.app.services import (
    ABORT_WITHIN,
    finish_unless,
    make_scheduler,
    monitor_page_running,
    refuse_open_addresses,
    refuse_undeclared_queues,
    relay_running,
    running,
    stop_and_outages_reported,
    until_signal,
    watches_running,
)
from taskrunner.config import Config
from taskrunner.domain.errors import StoreUnfit
from taskrunner.producer.broker_refill import BrokerRefill, end_leases
from taskrunner.producer.operation_runner import OperationRunner
from taskrunner.runtime.filelock import FileLock, LockTaken
from taskrunner.runtime.signals import Signals


async def run_all(
    config: Config,
    *,
    read: Read | None = None,
    upgrade: bool = False,
    monitor_page: bool = True,
    when_ready: Callable[[ApiServers], Awaitable[int | None]] | None = None,
) -> int:
    """API, relay and workers, until a signal; returns the exit code.

    `read` reads the configuration again, for a reload. `upgrade`: bring the schema of the store up to date
    first. `monitor_page`: listen on the `Server` port, too. `when_ready` is called once tasks
    run; an exit code from it ends the process.
    Raises `SetupError`, and `StoreUnavailable` with a SQLite file.
    """
    signals = Signals(abort_within=ABORT_WITHIN, reloads=read is not None)
    async with AsyncExitStack() as stack:
        # Before the first look at the database: only the lock says that no other process uses the file.
        lock = stack.enter_context(_lock(config)) if _is_embedded(config) else None
        if upgrade:
            await upgrade_store(config)
        platform = Platform(config)
        consumer = ConsumerServices(platform, in_processes=False)
        monitor = Monitor(platform, consuming=True, providers=consumer.providers())
        monitor.health.add("workers", consumer.check, needed=True)
        await stack.enter_async_context(stop_and_outages_reported(platform, signals, consumer.waits_for))
        servers = await stack.enter_async_context(api_running(platform, monitor))
        if monitor_page:
            await stack.enter_async_context(monitor_page_running(platform, monitor))
        await stack.enter_async_context(_services_running(platform, alone=lock is not None))
        await stack.enter_async_context(reports_running(platform, monitor, consumer.report))
        await stack.enter_async_context(consumer.running(signals.second))
        monitor.health.open()
        code = await when_ready(servers) if when_ready else None
        if code is not None:
            signals.second.set()
            return code
        if read is not None:
            reload = Reload(platform, monitor, read)
            consumer.reload_with(reload)
            signals.reload_with(reload)
        await until_signal(signals, monitor, platform)
        # The API stops first: what it still accepts needs the store, the broker and the relay.
        await finish_unless(signals.second, servers.stop())
    return signals.exit_code


@asynccontextmanager
async def _services_running(platform: Platform, *, alone: bool) -> AsyncIterator[None]:
    """The platform and its services run inside. `alone`: no other process uses the store."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(platform.running(need_store=alone))
        await platform.refuse_unkept_concern()
        if alone:
            await end_leases(platform.store, platform.clock)
        await stack.enter_async_context(watches_running(platform))
        refuse_undeclared_queues(platform)
        refuse_open_addresses(platform)
        await stack.enter_async_context(running(platform.sessions))
        await stack.enter_async_context(running(platform.task_quota))
        await stack.enter_async_context(running(platform.storage_quota))
        await stack.enter_async_context(relay_running(platform))
        await stack.enter_async_context(running(make_scheduler(platform)))
        await stack.enter_async_context(running(OperationRunner(platform.operation_runs)))
        if not platform.broker.durable:
            refill = BrokerRefill(platform.store, platform.publisher, platform.events)
            await stack.enter_async_context(running(refill))
        yield


def _is_embedded(config: Config) -> bool:
    """Whether no other process can queue or run the tasks of this store."""
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
