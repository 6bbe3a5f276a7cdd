"""Consumer wires delivery -> backlog -> claim -> run -> settle -> ack, and ends it in order.

A delivery arrives here and waits in `Backlog`. `Claimer` asks `HostGate`, claims the attempt, adds it to
`InFlight` and hands it to `WorkerPool`, which hands the outcome to `Settler`.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any

from taskrunner.brokers.base import Broker, Delivery
from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.claimer import Claimer
from taskrunner.consumer.host_gate import HostGate
from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.consumer.incoming_message import read_message
from taskrunner.consumer.lease_keeper import LeaseKeeper
from taskrunner.consumer.room_maker import RoomMaker
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.settler import Settler
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.snoozer import Snoozer
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import (
    EnvelopeUnreadable,
    ExecutorNotKnown,
    OutsideError,
    StoreUnavailable,
    TaskInvalid,
)
from taskrunner.domain.events import Events, LoopFailed, MessageRejected
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.queues.pauses import Pauses
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.stores.base import Store

# Seconds until a message is read again whose executor is not known yet.
_READ_AGAIN = 1.0
# After an abort the store gets this long to take the interrupted attempts.
_ABORT_SETTLE = 3.0
_STOPPED = Outcome(
    kind=OutcomeKind.INTERRUPTED, error="the consumer was stopped; this attempt does not count", counted=False
)


class Consumer:
    """The autoscaler resizes `pool` and measures `backlog`; `is_consuming` between `start` and `stop`."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        task_settings: TaskSettingsSource,
        retention: RetentionSettings,
        webhooks: WebhookSource,
        pool: WorkerPool,
        settings: ConsumerSettings,
    ) -> None:
        self._broker = broker
        self._events = events
        self._clock = clock
        self._task_settings = task_settings
        self._settings = settings
        self.is_consuming = False
        self._epochs: dict[str, int] = {}
        # Foreign messages that cannot be read before the executors are known, and when that is tried again.
        self._unread: list[Delivery] = []
        self._reading: asyncio.TimerHandle | None = None
        self.served_queues = self._to_serve(DeclaredQueues())
        # Those that are not paused.
        self.open_queues = self.served_queues
        hosts = HostStatsTable()
        self.backlog = Backlog(DeclaredQueues().weights, hosts.of)
        self.pool = pool
        self._in_flight = InFlight()
        self._snoozer = Snoozer(
            store,
            broker,
            events,
            clock,
            hold=settings.hold,
            handlers=settings.executors,
            executors=task_settings.current.executors,
        )
        self._host_states = SharedHostStates(store, clock, settings, hosts)
        self._host_watch = HostWatch(
            store,
            events,
            clock,
            settings,
            hosts=hosts,
            states=self._host_states,
            pool=pool,
            executors=task_settings.current.executors,
        )
        room_maker = RoomMaker(clock, settings, self.backlog, broker.is_full)
        gate = HostGate(
            clock,
            settings,
            backlog=self.backlog,
            hosts=hosts,
            states=self._host_states,
            watch=self._host_watch,
            room_maker=room_maker,
        )
        self._claimer = self._make_claimer(store, gate, room_maker)
        self._settler = self._make_settler(store, retention, webhooks)
        self._leases = LeaseKeeper(store, events, clock, self._in_flight, pool, lease=settings.lease)

    def _make_claimer(self, store: Store, gate: HostGate, room_maker: RoomMaker) -> Claimer:
        return Claimer(
            store,
            self._broker,
            self._events,
            self._clock,
            self._settings,
            backlog=self.backlog,
            snoozer=self._snoozer,
            host_gate=gate,
            room_maker=room_maker,
            in_flight=self._in_flight,
            pool=self.pool,
        )

    def _make_settler(self, store: Store, retention: RetentionSettings, webhooks: WebhookSource) -> Settler:
        return Settler(
            store,
            self._broker,
            self._events,
            self._clock,
            retention,
            webhooks,
            consumer=self._settings.name,
            in_flight=self._in_flight,
            host_watch=self._host_watch,
            claimer=self._claimer,
        )

    @property
    def in_flight(self) -> int:
        """How many attempts are claimed and not yet settled."""
        return len(self._in_flight)

    @property
    def attempts(self) -> Iterable[ClaimedAttempt]:
        """Those in flight."""
        return self._in_flight

    async def start(self) -> None:
        await self.pool.start(self._settler.submit)
        await self._leases.start()
        await self._claimer.start()
        await self._snoozer.start()
        with suppress(OutsideError):
            await self._host_watch.turn()  # so that limits hold from the first task on
        await self._host_watch.start()
        self._broker.consume(self.open_queues, self._settings.held_per_queue, self._on_delivery)
        self.is_consuming = True

    def configure_host_limits(self, limits: Mapping[str, HostLimit]) -> None:
        """Replace the host limits of the configuration."""
        self._host_watch.configure(limits)

    def apply_pauses(self, pauses: Pauses) -> None:
        """Stop consuming paused queues and start consuming resumed ones. Attempts in flight go on."""
        self._snoozer.pauses = pauses
        self._open_and_close()

    def apply_queues(self, declared: DeclaredQueues) -> None:
        """The same for queues that are no longer declared, and new ones; take their weights."""
        self.served_queues = self._to_serve(declared)
        self.backlog.weights = declared.weights
        self._open_and_close()

    def _to_serve(self, declared: DeclaredQueues) -> tuple[str, ...]:
        """The queues of the settings, of those that are declared and that the broker has."""
        wanted = self._settings.queues
        names = [each for each in declared.names if each not in declared.refused]
        return tuple(each for each in names if wanted is None or each in wanted)

    def _open_and_close(self) -> None:
        before, pauses = self.open_queues, self._snoozer.pauses
        self.open_queues = tuple(each for each in self.served_queues if not pauses.cover_queue(each))
        if not self.is_consuming:
            return
        closed = [queue for queue in before if queue not in self.open_queues]
        self._broker.cancel_consume(closed)
        for queue in closed:
            self._release_queue(queue)
        opened = [queue for queue in self.open_queues if queue not in before]
        self._broker.consume(opened, self._settings.held_per_queue, self._on_delivery)

    async def stop(self, grace: float, abort: asyncio.Event) -> None:
        """Take nothing new, give back what has not begun, and let the rest run for `grace` seconds.

        Attempts that still run then, or when `abort` is set, are interrupted and do not count.
        """
        self.is_consuming = False
        self._broker.cancel_consume()
        await self._claimer.stop()
        await self._snoozer.stop()
        self._release_all()
        self._interrupt(await self.pool.withdraw())
        await _wait_unless_aborted(self.pool.wait_idle(), grace, abort)
        self._interrupt(self.pool.interrupt())
        # Bounded: a store that stays away must not keep us. The leases end without us.
        patience = _ABORT_SETTLE if abort.is_set() else max(grace, _ABORT_SETTLE)
        await _wait_unless_aborted(self._settler.drain(), patience, abort, extra=_ABORT_SETTLE)
        await self._leases.stop()
        await self._host_watch.stop()
        await self._host_states.close(_ABORT_SETTLE)
        await self.pool.close()

    def wake(self) -> None:
        """Look at the backlog: the number of workers has changed."""
        self._claimer.wake()

    def _on_delivery(self, delivery: Delivery, *, again: bool = False) -> None:
        if delivery.epoch != self._epochs.get(delivery.queue):
            self._epochs[delivery.queue] = delivery.epoch
            self.backlog.discard_older(delivery.queue, delivery.epoch)
        try:
            waiting = self._read(delivery)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            if isinstance(exc, ExecutorNotKnown) and not again:
                self._read_later(delivery)  # it may be new
                return
            self._broker.reject([delivery])
            self._events.emit(MessageRejected(queue=delivery.queue, error=str(exc)))
            return
        except StoreUnavailable:
            self._read_later(delivery)
            return
        except Exception as exc:  # noqa: BLE001 - one message must not hold up its queue, whatever is in it
            self._broker.reject([delivery])
            self._events.emit(LoopFailed(service="consumer", error=exc))
            return
        self.backlog.append(waiting)
        if not self.is_consuming:
            self._release_all()
        elif delivery.queue not in self.open_queues:
            # On its way when its queue was paused.
            self._release_queue(delivery.queue)
        else:
            self._claimer.wake_for_delivery()

    def _read(self, delivery: Delivery) -> WaitingDelivery:
        found = read_message(delivery, delivery.queue, self._task_settings.current, now=self._clock.now())
        return WaitingDelivery(found.envelope, delivery, foreign=found.foreign)

    def _read_later(self, delivery: Delivery) -> None:
        """A foreign message names an executor that is new, or all have not been read since the start."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().call_later(_READ_AGAIN, self._read_again)
        self._unread.append(delivery)

    def _read_again(self) -> None:
        unread, self._unread, self._reading = self._unread, [], None
        for delivery in unread:
            if delivery.epoch == self._epochs.get(delivery.queue):
                self._on_delivery(delivery, again=True)

    def _release_queue(self, queue: str) -> None:
        self._broker.release([waiting.delivery for waiting in self.backlog.take_queue(queue)])

    def _release_all(self) -> None:
        unclaimed = [*self._snoozer.withdraw(), *self.backlog.take_all()]
        self._broker.release([*(waiting.delivery for waiting in unclaimed), *self._unread])
        self._unread = []

    def _interrupt(self, attempts: list[ClaimedAttempt]) -> None:
        for attempt in attempts:
            attempt.outcome = _STOPPED
            self._settler.submit(attempt)


async def _wait_unless_aborted(
    work: Coroutine[Any, Any, None], seconds: float, abort: asyncio.Event, *, extra: float = 0.0
) -> None:
    """Wait for `work` until `seconds` are over or `abort` is set, and for `extra` seconds more."""
    working, aborted = asyncio.create_task(work), asyncio.create_task(abort.wait())
    await asyncio.wait({working, aborted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if extra:
        await asyncio.wait({working}, timeout=extra)
    await cancel_and_wait(working, aborted)
