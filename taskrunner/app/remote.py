"""What leases the tasks of remote executors, in a process with an API."""

from dataclasses import dataclass

from taskrunner.app.platform import Platform
from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.consumer.settings import ConsumerSettings


@dataclass(frozen=True, slots=True)
class Remote:
    """The leases of remote workers and the attempts under them, for the HTTP and the gRPC API."""

    work: RemoteWork
    attempts: RemoteAttempts


def make_remote(platform: Platform) -> Remote:
    """Its `work` is to be started."""
    config = platform.config
    settings = ConsumerSettings(
        name=platform.process_name, lease=config.workers.lease, host_settings=config.host_settings()
    )
    limits = LeaseLimits(platform.store, platform.clock, platform.executors.source, settings)
    attempts = RemoteAttempts(
        platform.store,
        platform.events,
        platform.clock,
        config.retention_settings(),
        platform.webhooks.source,
        limits,
        lease=config.workers.lease,
    )
    work = RemoteWork(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        platform.task_settings,
        platform.executors.source,
        limits,
        attempts.give_back,
        lease=config.workers.lease,
        hold=config.relay.hold,
    )
    platform.pauses.subscribe(work.apply_pauses)
    return Remote(work, attempts)
