"""The consumer: from a delivery to its ack, and an orderly end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from taskrunner.brokers.base import Broker, Delivery
from taskrunner.consumer.backlog import Backlog, WaitingDelivery
from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.consumer.claimer import Claimer, ClaimSettings
from taskrunner.consumer.host_gate import HostGate, HostGateSettings
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.lease_keeper import LeaseKeeper
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.settler import Settler
from taskrunner.consumer.snoozer import PAUSED, PendingSnooze, Snoozer
from taskrunner.consumer.worker_pool import OnFinished, WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import Envelope, decode_envelope
from taskrunner.domain.errors import EnvelopeUnreadable, OutsideError, TaskInvalid
from taskrunner.domain.events import Events, LoopFailed, MessageRejected, TaskStarted
from taskrunner.domain.new_task import new_task_id
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.pauses import Pauses
from taskrunner.domain.settlement import RetentionSettings
from taskrunner.domain.task import Priority
from taskrunner.domain.task_fields import ID_PATTERN
from taskrunner.domain.task_settings import TaskSettings
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.stores.base import Store

MakePool = Callable[[Events, OnFinished], WorkerPool]

# Unsettled attempts beyond this stop new claims: the store is behind, and results are held in memory.
_UNSETTLED_LIMIT = 1000
# After an abort the store gets this long to take the interrupted attempts.
_ABORT_SETTLE = 3.0


class Consumer:
    """Owns the backlog, the pool and everything that is claimed; `pool` is for the supervisor to size."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        rules: TaskSettings,
        retention: RetentionSettings,
        make_pool: MakePool,
        settings: ConsumerSettings,
    ) -> None:
        self._broker = broker
        self._events = events
        self._clock = clock
        self._rules = rules
        self._settings = settings
        self._held: dict[tuple[str, int], ClaimedAttempt] = {}
        self._consuming = False
        self._epochs: dict[Priority, int] = {}
        self.backlog = Backlog(settings.weights)
        self.pool = make_pool(events, self._on_finished)
        self._settler = Settler(
            store, broker, events, clock, retention, consumer=settings.name, on_settled=self._on_settled
        )
        self._leases = LeaseKeeper(store, events, clock, self._held, self.pool, lease=settings.lease)
        self._pauses = Pauses()
        self._snoozer = Snoozer(store, broker, events, clock, hold=settings.hold)
        self._host_gate = HostGate(
            store,
            events,
            clock,
            HostGateSettings(
                consumer=settings.name,
                lease=settings.lease,
                workers=settings.workers,
                host_policy=settings.host_policy,
            ),
            snooze=self._snoozer.submit,
        )
        self._hosts = HostWatch(
            store,
            events,
            clock,
            self._host_gate,
            settings.host_limits,
            self._held.values,
            lease=settings.lease,
        )
        self._claimer = Claimer(
            store,
            broker,
            events,
            clock,
            self.backlog,
            self._held,
            ClaimSettings(consumer=settings.name, lease=settings.lease, hold=settings.hold),
            room=self._room,
            start=self._start,
            snooze=self._snooze_if_paused,
            host_gate=self._host_gate,
        )

    @property
    def in_flight(self) -> int:
        """Attempts that are claimed and not yet settled."""
        return len(self._held)

    @property
    def is_consuming(self) -> bool:
        """Between `start` and `stop`."""
        return self._consuming

    async def start(self) -> None:
        await self.pool.start()
        await self._leases.start()
        await self._claimer.start()
        await self._snoozer.start()
        with suppress(OutsideError):
            await self._hosts.turn()  # so that from the first task on limits hold
        await self._hosts.start()
        self._broker.consume(self.open_queues, self._settings.prefetch, self._on_delivery)
        self._consuming = True

    @property
    def open_queues(self) -> tuple[Priority, ...]:
        """The queues that are served at present."""
        return tuple(queue for queue in self._settings.queues if queue not in self._pauses.queues)

    def apply(self, pauses: Pauses) -> None:
        """Stop and take up again what is paused and no more; what runs, or is about to, ends as it would."""
        before = self.open_queues
        self._pauses = pauses
        if not self._consuming:
            return
        closed = [queue for queue in before if queue not in self.open_queues]
        self._broker.cancel_consume(closed)
        for queue in closed:
            self._broker.release([waiting.delivery for waiting in self.backlog.take_queue(queue)])
        opened = [queue for queue in self.open_queues if queue not in before]
        self._broker.consume(opened, self._settings.prefetch, self._on_delivery)

    async def stop(self, grace: float, abort: asyncio.Event) -> None:
        """Take nothing new, give back what has not begun, and let the rest run for `grace` seconds.

        What still runs then, or when `abort` is set, is given up as an attempt that does not count.
        """
        self._consuming = False
        self._broker.cancel_consume()
        await self._claimer.stop()
        await self._snoozer.stop()
        self._give_back()
        self._interrupt(await self.pool.withdraw())
        await self._wait_idle(grace, abort)
        self._interrupt(self.pool.interrupt())
        await self._settle_rest(_ABORT_SETTLE if abort.is_set() else max(grace, _ABORT_SETTLE), abort)
        await self._leases.stop()
        await self._hosts.stop()
        await self._host_gate.close(_ABORT_SETTLE)
        await self.pool.close()

    def wake(self) -> None:
        """There may be room now: look at the backlog."""
        self._claimer.wake()

    def _snooze_if_paused(self, waiting: WaitingDelivery) -> bool:
        pauses = self._pauses
        # Of a queue: what was being looked at when the queue was closed, and had no room.
        paused = waiting.delivery.queue in pauses.queues or (
            pauses.any_label and pauses.cover_labels(waiting.envelope.task.labels)
        )
        if paused:
            self._snoozer.submit(PendingSnooze(waiting, PAUSED))
        return paused

    def _room(self) -> int:
        if len(self._held) - self.pool.in_flight >= _UNSETTLED_LIMIT:
            return 0
        return self.pool.room()

    def _on_delivery(self, delivery: Delivery) -> None:
        if delivery.epoch != self._epochs.get(delivery.queue):
            self._epochs[delivery.queue] = delivery.epoch
            self.backlog.discard_older(delivery.queue, delivery.epoch)
        try:
            waiting = self._read(delivery)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            self._broker.reject([delivery])
            self._events.emit(MessageRejected(queue=delivery.queue, error=str(exc)))
            return
        except Exception as exc:  # noqa: BLE001 - one message must not hold up its queue, whatever is in it
            self._broker.reject([delivery])
            self._events.emit(LoopFailed(service="consumer", error=exc))
            return
        self.backlog.append(waiting)
        if not self._consuming:
            self._give_back()
        elif delivery.queue in self._pauses.queues:
            # It was on its way when its queue was paused.
            self._broker.release([waiting.delivery for waiting in self.backlog.take_queue(delivery.queue)])
        elif not self._claimer.awake and self._room() > 0:
            self._claimer.wake()

    def _read(self, delivery: Delivery) -> WaitingDelivery:
        content = decode_envelope(delivery.body, self._rules.limits)
        if isinstance(content, Envelope):
            return WaitingDelivery(content, delivery)
        # A foreign client names its task in the body or as AMQP message id; else a redelivery after a
        # crash would be another task.
        message_id = delivery.message_id or ""
        task_id = message_id if ID_PATTERN.fullmatch(message_id) else new_task_id()
        now = self._clock.now()
        task = content.model_copy(update={"priority": content.priority or delivery.queue}).to_task(
            self._rules, task_id=task_id, now=now
        )
        return WaitingDelivery(Envelope(attempt=1, task=task), delivery, foreign=True)

    def _start(self, running: ClaimedAttempt) -> None:
        self._events.emit(TaskStarted(task=running.context.task, attempt=running.context.number))
        self._host_gate.started(running)
        self.pool.submit(running)

    def _on_finished(self, finished: FinishedAttempt) -> None:
        self._host_gate.ended(finished)
        self._settler.submit(finished)
        if len(self.backlog):
            self._claimer.wake()

    def _on_settled(self, running: ClaimedAttempt) -> None:
        if self._held.pop(running.key, None) is not None and self._host_gate.settled(running):
            self._claimer.wake()

    def _give_back(self) -> None:
        waiting = [*self._snoozer.give_back(), *self.backlog.take(len(self.backlog))]
        self._broker.release([item.delivery for item in waiting])

    def _interrupt(self, given_up: list[ClaimedAttempt]) -> None:
        outcome = Outcome(
            kind=OutcomeKind.INTERRUPTED,
            error="the consumer was stopped; this attempt does not count",
            counted=False,
        )
        for running in given_up:
            self._settler.submit(FinishedAttempt(running, outcome))

    async def _wait_idle(self, grace: float, abort: asyncio.Event) -> None:
        idle = asyncio.create_task(self.pool.wait_idle())
        aborted = asyncio.create_task(abort.wait())
        await asyncio.wait({idle, aborted}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(idle, aborted)

    async def _settle_rest(self, patience: float, abort: asyncio.Event) -> None:
        """Bounded: a store that stays away must not keep us. Leases then end by themselves."""
        settled = asyncio.create_task(self._settler.drain())
        aborted = asyncio.create_task(abort.wait())
        done, _ = await asyncio.wait(
            {settled, aborted}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if settled not in done:
            await asyncio.wait({settled}, timeout=_ABORT_SETTLE)
        await cancel_and_wait(settled, aborted)
