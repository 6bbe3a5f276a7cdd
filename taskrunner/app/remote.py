"""What leases the tasks of remote executors, in a process with an API."""

from dataclasses import dataclass

from taskrunner.app.platform import Platform
from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork


@dataclass(frozen=True, slots=True)
class Remote:
    """The leases of remote workers and the attempts under them, for the HTTP and the gRPC API."""

    work: RemoteWork
    attempts: RemoteAttempts


def make_remote(platform: Platform) -> Remote:
    """Its `work` is to be started."""
    config = platform.config
    attempts = RemoteAttempts(
        platform.store,
        platform.events,
        platform.clock,
        config.retention_settings(),
        platform.webhooks.source,
        lease=config.workers.lease,
    )
    work = RemoteWork(
        platform.store,
        platform.broker,
        platform.events,
        platform.clock,
        platform.task_settings,
        platform.executors.source,
        attempts.give_back,
        lease=config.workers.lease,
        hold=config.relay.hold,
    )
    platform.pauses.subscribe(work.apply_pauses)
    return Remote(work, attempts)
