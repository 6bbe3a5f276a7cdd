"""The host gate with the parts that it shares with others, without a consumer."""

from collections.abc import Mapping
from typing import NamedTuple

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_gate import HostGate
from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.consumer.room_maker import RoomMaker
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.thread_pool import ThreadPool
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.tasks.envelope import Envelope
from tests.flow.local_runner import LEASE, LocalRunner, TargetKit
from tests.tools.fetching import make_task

_HOSTS = HostSettings()


class Parts(NamedTuple):
    """The gate with the parts it shares with others."""

    hosts: HostStatsTable
    backlog: Backlog
    gate: HostGate
    room_maker: RoomMaker
    states: SharedHostStates
    watch: HostWatch
    in_flight: InFlight
    pool: ThreadPool


def make_parts(
    runner: LocalRunner, limits: Mapping[str, HostLimit] | None = None, host_settings: HostSettings = _HOSTS
) -> Parts:
    """A gate with ten workers, whose threads are not started."""
    settings = ConsumerSettings(
        name="gate",
        prefetch=100,
        lease=LEASE,
        hold=10,
        workers=10,
        host_settings=host_settings,
        host_limits=limits or {},
    )
    hosts, in_flight = HostStatsTable(), InFlight()
    pool = ThreadPool(TargetKit(runner.target), runner.events)
    pool.resize(10)
    states = SharedHostStates(runner.store, runner.clock, settings, hosts)
    watch = HostWatch(
        runner.store,
        runner.events,
        runner.clock,
        settings,
        hosts=hosts,
        states=states,
        pool=pool,
        executors=runner.task_settings.current.executors,
    )
    backlog = Backlog(DeclaredQueues().weights, hosts.of)
    room_maker = RoomMaker(runner.clock, settings, backlog, runner.broker.is_full)
    gate = HostGate(
        runner.clock,
        settings,
        backlog=backlog,
        hosts=hosts,
        states=states,
        watch=watch,
        room_maker=room_maker,
    )
    return Parts(hosts, backlog, gate, room_maker, states, watch, in_flight, pool)


def delivered(parts: Parts, *hosts: str, queue: str = "medium") -> list[WaitingDelivery]:
    """Deliveries of a task for each host, as the backlog gives them out."""
    found = [
        WaitingDelivery(
            Envelope(attempt=1, task=make_task(f"http://{host}/")),
            Delivery(b"", queue, redelivered=False, message_id=None, tag=tag, epoch=1),
        )
        for tag, host in enumerate(hosts)
    ]
    for waiting, host in zip(found, hosts, strict=True):
        waiting.host_stats = parts.hosts.get(host)
    return found


async def start(runner: LocalRunner, parts: Parts, batch: list[WaitingDelivery]) -> int:
    """Start what the shared states admit; returns how many that are."""
    admitted = await parts.gate.admit(batch, room=10)
    for waiting in admitted.starting:
        attempt = ClaimedAttempt(
            waiting.envelope.task,
            1,
            delivery=waiting.delivery,
            attempt_limit=3,
            claimed_at=runner.clock.now(),
            host_stats=waiting.host_stats,
        )
        parts.in_flight.add(attempt)
        parts.pool.submit(attempt)
    parts.gate.end_batch()
    return len(admitted.starting)
