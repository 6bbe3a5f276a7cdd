"""The relay takes due tasks and does the next thing: publish, look again later, rescue from a dead worker.

Any number of relays may run: `take_due` hides the tasks that one relay takes from the others.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import BrokerUnavailable, StoreUnavailable
from taskrunner.domain.events import Events, LeaseExpired
from taskrunner.domain.queues.pauses import Pauses
from taskrunner.domain.retries import retry
from taskrunner.domain.tasks.envelope import decode_task
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, Settlement, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.outage_recovery import OutageRecovery
from taskrunner.producer.publisher import Publisher
from taskrunner.producer.settings import RelaySettings
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Due, Store


class Relay(Service):
    """One turn takes a batch from the due index and acts on each task by its status."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        publisher: Publisher,
        events: Events,
        clock: Clock,
        settings: RelaySettings,
        retention: RetentionSettings,
        webhooks: WebhookSource,
        pauses: Callable[[], Pauses] = Pauses,
    ) -> None:
        super().__init__("relay", events)
        self._pauses = pauses
        self._store = store
        self._broker = broker
        self._publisher = publisher
        self._clock = clock
        self._settings = settings
        self._retention = retention
        self._webhooks = webhooks
        self._store_was_away = False
        self._reconnects = store.status().reconnects
        self._rescue_from = clock.monotonic()
        self._recovery = OutageRecovery(store, broker, settings.batch_size, settings.forgotten_after)
        # A power cut may have taken this process and the store's last writes together.
        self._recovery.begin(clock.now())
        self._recover_from = clock.monotonic() + settings.hold

    async def turn(self) -> float:
        try:
            if not self._broker.connected:
                # Due tasks need the broker: taking them now would hide them when it is back. The ping
                # notices an outage of the store, which delays the rescue of running tasks.
                await self._store.ping()
                return self._settings.poll_interval
            taken = await self._take()
        except StoreUnavailable:
            self._store_was_away = True
            raise
        await self._act(taken)
        if self._clock.monotonic() >= self._recover_from:
            with suppress(BrokerUnavailable):  # the recovery goes on when the broker is back
                await self._recovery.turn(self._clock.now())
        return 0.0 if len(taken) >= self._settings.batch_size else self._settings.poll_interval

    async def _take(self) -> Sequence[Due]:
        taken = await self._store.take_due(
            now=self._clock.now(), limit=self._settings.batch_size, hold=self._settings.hold
        )
        reconnects = self._store.status().reconnects
        if self._store_was_away or reconnects != self._reconnects:
            self._store_was_away, self._reconnects = False, reconnects
            # Leases ran out because nobody could renew them. Their owners get the time to do so now, and
            # consumers the time to claim what was delivered.
            self._rescue_from = self._clock.monotonic() + self._settings.lease
            self._recover_from = self._clock.monotonic() + self._settings.hold
            self._recovery.begin(self._clock.now())
        return taken

    async def _act(self, taken: Sequence[Due]) -> None:
        to_publish = [
            due
            for due in taken
            if due.status in (Status.SCHEDULED, Status.RETRYING) and not self._is_paused(due)
        ]
        queued = [due for due in taken if due.status is Status.QUEUED]
        running = [due for due in taken if due.status is Status.RUNNING]
        if running and self._clock.monotonic() >= self._rescue_from:
            await self._rescue(running)
        if to_publish:
            await self._publish(to_publish)
        if queued:
            await self._check_queued(queued)

    def _is_paused(self, due: Due) -> bool:
        """Whether its executor or one of its labels is paused; it is then due again after `hold` seconds.

        Tasks of a paused queue are published and wait there.
        """
        pauses = self._pauses()
        return pauses.any_task and pauses.cover_task(decode_task(due.encoded))

    async def _publish(self, batch: Sequence[Due]) -> None:
        """Try a few times; tasks that stay unpublished are due again after `hold` seconds."""
        backoff = Backoff(first=0.05, cap=1.0)
        left = list(batch)
        for _ in range(self._settings.max_attempts):
            left = await self._publisher.publish(left, by_relay=True)
            if not left or self.stopping or not self._broker.connected:
                return
            await self._pause(backoff.next())

    async def _check_queued(self, queued: Sequence[Due]) -> None:
        """Publish again where the queue is empty, since the broker lost the message; else wait.

        A queue that is not declared is not counted, and nobody would take from it.
        """
        try:
            depths = await self._broker.depths()
        except BrokerUnavailable:
            return
        lost = [due for due in queued if depths.get(due.queue) == 0]
        waiting = [due for due in queued if depths.get(due.queue) != 0]
        if lost:
            await self._publish(lost)
        later = self._clock.now() + timedelta(seconds=self._settings.forgotten_after)
        await self._store.postpone(
            [AttemptRef(id=due.id, attempt=due.attempt + 1) for due in waiting], due=later
        )

    async def _rescue(self, running: Sequence[Due]) -> None:
        """End attempts whose lease ran out. They count, since the task itself may kill its workers."""
        for due in running:
            self._events.emit(LeaseExpired(task_id=due.id, attempt=due.attempt))
        await self._store.settle([self._lost(due) for due in running], now=self._clock.now())

    def _lost(self, due: Due) -> Settlement:
        now = self._clock.now()
        outcome = Outcome(
            kind=OutcomeKind.INTERRUPTED, error="the worker is gone: its lease ran out before it answered"
        )
        task = decode_task(due.encoded)
        verdict = retry.decide(
            task,
            outcome,
            attempt=due.attempt,
            attempt_limit=due.attempt_limit,
            now=now,
            random=random.random(),
        )
        attempt = due.running or Attempt(number=due.attempt, started_at=now)
        return settlement(
            task,
            attempt,
            outcome,
            verdict,
            self._retention,
            now=now,
            webhooks=self._webhooks.in_force,
        )
