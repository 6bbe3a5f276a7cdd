"""The line of one remote executor: consumes its queue while workers ask for tasks, and a moment longer.

A delivery is acknowledged once its lease is in the store: the due index then holds the task.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker, Delivery
from taskrunner.consumer.incoming_message import read_message
from taskrunner.consumer.snoozer import Snoozer
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import EnvelopeUnreadable, OutsideError, TaskInvalid
from taskrunner.domain.events import DeliveryDropped, Events, MessageRejected, TaskAdopted, TaskStarted
from taskrunner.domain.remote_draft import MOST_TASKS
from taskrunner.domain.remote_lease import LeaseToken, RemoteLease, holder, new_secret, queue_of
from taskrunner.domain.task_settings import TaskSettingsSource
from taskrunner.stores.base import AttemptRef, ClaimAnswer, Claimed, Store

# Seconds.
_GATHER = 0.005
# How long a new subscription has to deliver waiting tasks: a few round trips to the broker.
_FIRST_DELIVERIES = 1.0
GiveBack = Callable[[Sequence[RemoteLease]], Awaitable[None]]


class Line:
    """Owned by `RemoteWork`."""

    def __init__(
        self,
        executor: str,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        task_settings: TaskSettingsSource,
        snoozer: Snoozer,
        give_back: GiveBack,
        *,
        lease: float,
        hold: float,
    ) -> None:
        self._queue = queue_of(executor)
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._task_settings = task_settings
        self._snoozer = snoozer
        self._give_back = give_back
        self._lease = timedelta(seconds=lease)
        self._hold = hold
        self._waiting: deque[WaitingDelivery] = deque()
        self._epoch = 0
        self._changed = asyncio.Event()
        self._polls = 0
        self._is_subscribed = False
        self._filled_at = 0.0
        self._closed = False
        self.idle_since = clock.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether nobody asks."""
        return not self._polls

    async def next(self, worker: str, most: int, wait: float) -> list[RemoteLease]:
        """Lease up to `most` tasks, and wait for the first for up to `wait` seconds.

        The first call waits longer: only a subscription brings the tasks that are there already.
        Raises `OutsideError`; nothing is leased then, as far as we know.
        """
        self._polls += 1
        self._subscribe()
        give_up = max(self._clock.monotonic() + wait, self._filled_at)
        try:
            while not self._closed:
                if batch := self._take(most):
                    if leases := await self._claim_for(worker, batch):
                        return leases
                    continue
                left = give_up - self._clock.monotonic()
                if left <= 0 or not await self._wait(left):
                    break
                if most > len(self._waiting):
                    # The broker sends one after the other: a moment later there is a batch.
                    await asyncio.sleep(_GATHER)
            return []
        finally:
            self._polls -= 1
            self.idle_since = self._clock.monotonic()

    def wake(self) -> None:
        """Make all waiting calls look again."""
        self._changed.set()

    def close(self) -> None:
        """Stop consuming, and give back what nobody has leased. Waiting calls get nothing."""
        self._closed = True
        self.pause()
        self.wake()

    def pause(self) -> None:
        """Stop consuming until somebody asks again, and give back what nobody has leased."""
        if self._is_subscribed:
            self._is_subscribed = False
            self._broker.cancel_consume([self._queue])
        waiting, self._waiting = list(self._waiting), deque()
        self._broker.release([each.delivery for each in waiting])

    def _subscribe(self) -> None:
        if not self._is_subscribed and not self._closed:
            self._is_subscribed = True
            self._filled_at = self._clock.monotonic() + _FIRST_DELIVERIES
            self._broker.consume([self._queue], MOST_TASKS, self._on_delivery)

    async def _wait(self, seconds: float) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _on_delivery(self, delivery: Delivery) -> None:
        if delivery.epoch > self._epoch:
            # The broker has taken back the deliveries of the subscription before.
            self._epoch = delivery.epoch
            self._waiting = deque(each for each in self._waiting if each.delivery.epoch >= delivery.epoch)
        if not self._is_subscribed:
            self._broker.release([delivery])
            return
        try:
            settings = self._task_settings.current
            found = read_message(delivery, delivery.queue, settings, now=self._clock.now())
        except OutsideError:
            self._broker.release([delivery])
            return
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            self._broker.reject([delivery])
            self._events.emit(MessageRejected(queue=delivery.queue, error=str(exc)))
            return
        self._waiting.append(WaitingDelivery(found.envelope, delivery, foreign=found.foreign))
        self.wake()

    def _take(self, most: int) -> list[WaitingDelivery]:
        taken: list[WaitingDelivery] = []
        keys: set[tuple[str, int]] = set()
        while self._waiting and len(taken) < most:
            waiting = self._waiting.popleft()
            if waiting.key in keys:
                self._drop(waiting, ClaimAnswer.HELD.value)
            else:
                keys.add(waiting.key)
                taken.append(waiting)
        return self._snoozer.without_paused(taken)

    async def _claim_for(self, worker: str, batch: Sequence[WaitingDelivery]) -> list[RemoteLease]:
        """As `_claim`; if the client goes away meanwhile, its leases are given back."""
        claiming = asyncio.ensure_future(self._claim(batch, worker))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if leases := await claiming:
                await self._give_back(leases)
            raise

    async def _claim(self, batch: Sequence[WaitingDelivery], worker: str) -> list[RemoteLease]:
        secret, now = new_secret(), self._clock.now()
        lease_until = now + self._lease
        left = list(batch)
        try:
            left = await self._without_foreign(left, now)
            answers = await self._claim_in_store(left, now, lease_until, holder(worker, secret))
        except OutsideError:
            self._waiting.extendleft(reversed(left))
            raise
        # The due index holds what was claimed.
        self._broker.ack([each.delivery for each in left])
        leases = []
        for waiting, claimed in zip(left, answers, strict=True):
            task, number = waiting.envelope.task, waiting.envelope.attempt
            if claimed.answer is not ClaimAnswer.CLAIMED:
                self._events.emit(
                    DeliveryDropped(task_id=task.id, attempt=number, reason=claimed.answer.value)
                )
                continue
            token = str(LeaseToken(attempt=number, secret=secret))
            leases.append(RemoteLease(task=task, attempt=number, token=token, lease_until=lease_until))
            self._events.emit(TaskStarted(task=task, attempt=number))
        return leases

    async def _claim_in_store(
        self, batch: Sequence[WaitingDelivery], now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        async def claim(some: Sequence[WaitingDelivery]) -> Sequence[Claimed]:
            refs = [AttemptRef(id=task_id, attempt=number) for task_id, number in (each.key for each in some)]
            return await self._store.claim(refs, now=now, lease_until=lease_until, consumer=consumer)

        answers = list(await claim(batch))
        lost = [at for at, each in enumerate(answers) if each.answer is ClaimAnswer.UNKNOWN]
        if lost:
            # Make the records that the store has lost again from their envelopes, then claim once more.
            some = [batch[at] for at in lost]
            await self._store.accept([each.new_task(now=now, hold=self._hold) for each in some])
            for at, answer in zip(lost, await claim(some), strict=True):
                answers[at] = answer
                task = batch[at].envelope.task
                self._events.emit(TaskAdopted(task_id=task.id, queue=task.queue))
        return answers

    async def _without_foreign(
        self, batch: Sequence[WaitingDelivery], now: datetime
    ) -> list[WaitingDelivery]:
        """Make records of the messages of foreign programs; the relay publishes those tasks."""
        foreign = [each for each in batch if each.foreign]
        if foreign:
            await self._store.accept([each.new_task(now=now, hold=0.0) for each in foreign])
            for each in foreign:
                self._drop(each, "foreign")
        return [each for each in batch if not each.foreign]

    def _drop(self, waiting: WaitingDelivery, reason: str) -> None:
        task_id, number = waiting.key
        self._broker.ack([waiting.delivery])
        self._events.emit(DeliveryDropped(task_id=task_id, attempt=number, reason=reason))
