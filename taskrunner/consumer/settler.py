"""The settler judges outcomes, writes the verdicts to the store, and then acks.

Only this module acks what has run: write first, ack last. A store that is away is waited for. What it
rejects for a reason nobody expected is let go, so that its lease ends and the relay looks after the task.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.domain import retry
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events, LoopFailed, SettleRefused, TaskSettled
from taskrunner.domain.retry import Verdict
from taskrunner.domain.settlement import EndedAttempt, Retention, settlement
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import ConsumerStore

_BATCH = 500
# Short tasks end by the thousand per second: in this many seconds they make a group worth a call.
_SPACING = 0.008


class Settler:
    """Settles in groups. `on_settled` hears of every attempt that is off our hands."""

    def __init__(
        self,
        store: ConsumerStore,
        broker: Broker,
        events: Events,
        clock: Clock,
        retention: Retention,
        *,
        consumer: str,
        on_settled: Callable[[ClaimedAttempt], None],
    ) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._retention = retention
        self._consumer = consumer
        self._on_settled = on_settled
        self._batcher: Batcher[FinishedAttempt, None] = Batcher(self._settle, limit=_BATCH, spacing=_SPACING)

    def submit(self, finished: FinishedAttempt) -> None:
        """Settle an attempt soon; returns at once."""
        self._batcher.submit(finished)

    async def drain(self) -> None:
        """Wait until everything submitted is settled and acked."""
        await self._batcher.drain()

    async def _settle(self, group: Sequence[FinishedAttempt]) -> Sequence[None]:
        try:
            now = self._clock.now()
            verdicts = [self._judge(finished, now) for finished in group]
            answers = await self._write(group, verdicts, now)
        except Exception as exc:  # noqa: BLE001 - one attempt must not hold up its group, whatever is in it
            await self._settle_apart(group, exc)
            return [None] * len(group)
        self._broker.ack([finished.running.delivery for finished in group])
        for finished, verdict, settled in zip(group, verdicts, answers, strict=True):
            self._tell(finished, verdict, settled=settled)
        return [None] * len(group)

    async def _settle_apart(self, group: Sequence[FinishedAttempt], exc: Exception) -> None:
        """Settle each by itself; the one that cannot be settled is let go.

        Its record is due when its lease ends, which nobody renews any more. So its delivery is not needed;
        and given back it would come again at once, to be claimed and run by us once more.
        """
        if len(group) > 1:
            for finished in group:
                await self._settle([finished])
            return
        (finished,) = group
        self._events.emit(LoopFailed(service="settler", error=exc))
        self._broker.ack([finished.running.delivery])
        self._on_settled(finished.running)

    async def _write(
        self, group: Sequence[FinishedAttempt], verdicts: Sequence[Verdict], now: datetime
    ) -> Sequence[bool]:
        settlements = [
            settlement(self._ended(finished.running, now), finished.outcome, verdict, self._retention)
            for finished, verdict in zip(group, verdicts, strict=True)
        ]
        backoff = Backoff()
        while True:
            try:
                return await self._store.settle(settlements, now=now)
            except StoreUnavailable:
                await asyncio.sleep(backoff.next())

    def _judge(self, finished: FinishedAttempt, now: datetime) -> Verdict:
        running = finished.running
        return retry.decide(
            running.context.task,
            finished.outcome,
            attempt=running.context.number,
            attempt_limit=running.attempt_limit,
            now=now,
            random=random.random(),
        )

    def _ended(self, running: ClaimedAttempt, finished_at: datetime) -> EndedAttempt:
        return EndedAttempt(
            task=running.context.task,
            number=running.context.number,
            consumer=self._consumer,
            started_at=finished_at - timedelta(seconds=running.elapsed)
            if running.started
            else running.claimed_at,
            finished_at=finished_at,
        )

    def _tell(self, finished: FinishedAttempt, verdict: Verdict, *, settled: bool) -> None:
        running = finished.running
        self._on_settled(running)
        context = running.context
        if not settled:
            self._events.emit(SettleRefused(task_id=context.task.id, attempt=context.number))
            return
        self._events.emit(
            TaskSettled(
                task=context.task,
                attempt=context.number,
                outcome=finished.outcome,
                verdict=verdict,
                elapsed=running.elapsed,
            )
        )
