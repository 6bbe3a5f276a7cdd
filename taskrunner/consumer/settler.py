"""Settler judges outcomes, writes the verdicts to the store, and then acks.

Only this module acks deliveries whose attempt has run: write first, ack last. While the store is away the
settler waits. An attempt that the store rejects for an unexpected reason is let go: its lease ends, and the
relay publishes the task again.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.claimer import Claimer
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events, LoopFailed, SettleRefused, TaskSettled
from taskrunner.domain.retries import retry
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, Settlement, settlement
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import ConsumerStore

_BATCH = 500
# Short tasks end by the thousand per second: this many seconds make a group worth a call.
_SPACING = 0.008


class Settler:
    """Settles in groups. Wakes the claimer when a worker or a place at a host becomes free."""

    def __init__(
        self,
        store: ConsumerStore,
        broker: Broker,
        events: Events,
        clock: Clock,
        retention: RetentionSettings,
        webhooks: WebhookSource,
        *,
        consumer: str,
        in_flight: InFlight,
        host_watch: HostWatch,
        claimer: Claimer,
    ) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._retention = retention
        self._webhooks = webhooks
        self._consumer = consumer
        self._in_flight = in_flight
        self._host_watch = host_watch
        self._claimer = claimer
        self._batcher: Batcher[ClaimedAttempt, None] = Batcher(self._settle, limit=_BATCH, spacing=_SPACING)

    def submit(self, attempt: ClaimedAttempt) -> None:
        """Settle an attempt soon; returns at once. The worker pool calls this for each that has ended."""
        self._host_watch.learn_from(attempt)
        self._batcher.submit(attempt)
        self._claimer.wake_for_room()

    async def drain(self) -> None:
        """Wait until everything submitted is settled and acked."""
        await self._batcher.drain()

    async def _settle(self, group: Sequence[ClaimedAttempt]) -> Sequence[None]:
        try:
            now = self._clock.now()
            verdicts = [_judge(attempt, now) for attempt in group]
            answers = await self._write(group, verdicts, now)
        except Exception as exc:  # noqa: BLE001 - one attempt must not hold up its group, whatever is in it
            await self._settle_one_by_one(group, exc)
            return [None] * len(group)
        self._broker.ack([attempt.delivery for attempt in group])
        for attempt, verdict, settled in zip(group, verdicts, answers, strict=True):
            self._remove(attempt)
            self._emit(attempt, verdict, settled=settled)
        return [None] * len(group)

    async def _settle_one_by_one(self, group: Sequence[ClaimedAttempt], exc: Exception) -> None:
        """Let the attempt go that cannot be settled.

        The record is due when the lease ends, which nobody renews any more, so the delivery is not needed.
        Given back, it would come again at once, and we would claim and run the attempt once more.
        """
        if len(group) > 1:
            for attempt in group:
                await self._settle([attempt])
            return
        (attempt,) = group
        self._events.emit(LoopFailed(service="settler", error=exc))
        self._broker.ack([attempt.delivery])
        self._remove(attempt)

    async def _write(
        self, group: Sequence[ClaimedAttempt], verdicts: Sequence[Verdict], now: datetime
    ) -> Sequence[bool]:
        backoff, settlements = Backoff(), list[Settlement]()
        while True:
            try:
                # Made once: a repeated write must not report the end under another id.
                settlements = settlements or self._settlements(group, verdicts, now)
                return await self._store.settle(settlements, now=now)
            except StoreUnavailable:
                await asyncio.sleep(backoff.next())

    def _settlements(
        self, group: Sequence[ClaimedAttempt], verdicts: Sequence[Verdict], now: datetime
    ) -> list[Settlement]:
        webhooks = self._webhooks.in_force
        return [
            settlement(
                attempt.task,
                self._record(attempt, now),
                attempt.outcome,
                verdict,
                self._retention,
                now=now,
                webhooks=webhooks,
            )
            for attempt, verdict in zip(group, verdicts, strict=True)
        ]

    def _record(self, attempt: ClaimedAttempt, now: datetime) -> Attempt:
        return Attempt(
            number=attempt.number,
            consumer=self._consumer,
            started_at=now - timedelta(seconds=attempt.elapsed) if attempt.started else attempt.claimed_at,
        )

    def _remove(self, attempt: ClaimedAttempt) -> None:
        if self._in_flight.remove(attempt) and self._host_watch.release_place(attempt):
            self._claimer.wake()

    def _emit(self, attempt: ClaimedAttempt, verdict: Verdict, *, settled: bool) -> None:
        if not settled:
            self._events.emit(SettleRefused(task_id=attempt.task.id, attempt=attempt.number))
            return
        self._events.emit(
            TaskSettled(
                task=attempt.task,
                attempt=attempt.number,
                outcome=attempt.outcome,
                verdict=verdict,
                elapsed=attempt.elapsed,
            )
        )


def _judge(attempt: ClaimedAttempt, now: datetime) -> Verdict:
    return retry.decide(
        attempt.task,
        attempt.outcome,
        attempt=attempt.number,
        attempt_limit=attempt.attempt_limit,
        now=now,
        random=random.random(),
    )
