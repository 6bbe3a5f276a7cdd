"""The line of one remote executor: consumes its queue while workers ask for tasks, and a moment longer.

A delivery is acknowledged once its lease is in the store: the due index then holds the task.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from taskrunner.brokers.base import Broker, Delivery
from taskrunner.consumer.incoming_message import read_message
from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.consumer.snoozer import PendingSnooze, Snoozer
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import EnvelopeUnreadable, OutsideError, TaskInvalid
from taskrunner.domain.events import DeliveryDropped, Events, MessageRejected, TaskAdopted, TaskStarted
from taskrunner.domain.executors.executor_limits import host_name_of
from taskrunner.domain.executors.remote_draft import MOST_DATA_BYTES, MOST_TASKS
from taskrunner.domain.executors.remote_lease import LeaseToken, RemoteLease, holder, new_secret, queue_of
from taskrunner.domain.hosts.host_admission import wait_reason
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
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
        limits: LeaseLimits,
        give_back: GiveBack,
        *,
        lease: float,
        hold: float,
    ) -> None:
        self._executor = executor
        self._queue = queue_of(executor)
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._task_settings = task_settings
        self._snoozer = snoozer
        self._limits = limits
        self._give_back = give_back
        self._lease_time = timedelta(seconds=lease)
        self._hold = hold
        self._waiting: deque[WaitingDelivery] = deque()
        # By the wall clock: until then, the limits let nobody start.
        self._ask_again_at = 0.0
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
        # By the clock that the waits below are waited on.
        loop = asyncio.get_running_loop()
        give_up = max(loop.time() + wait, self._filled_at)
        try:
            while not self._closed:
                if self._waiting and not self._pause:
                    if leases := await self._lease_for(worker, most):
                        return leases
                    continue
                left, pause = give_up - loop.time(), self._pause
                if left <= 0:
                    break
                if await self._wait(min(left, pause or left)):
                    if most > len(self._waiting):
                        # The broker sends one after the other: a moment later there is a batch.
                        await asyncio.sleep(_GATHER)
                elif not 0 < pause < left:
                    break
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
            self._filled_at = asyncio.get_running_loop().time() + _FIRST_DELIVERIES
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

    @property
    def _pause(self) -> float:
        """Seconds until the limits may let one start of those that wait."""
        return max(0.0, self._ask_again_at - self._clock.now().timestamp()) if self._ask_again_at else 0.0

    async def _lease_for(self, worker: str, most: int) -> list[RemoteLease]:
        """As `_lease`; if the client goes away meanwhile, its leases are given back."""
        leasing = asyncio.ensure_future(self._lease(worker, most))
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            if leases := await leasing:
                await self._give_back(leases)
            raise

    async def _lease(self, worker: str, most: int) -> list[RemoteLease]:
        """Lease up to `most` of those that wait and may start."""
        limit = self._limits.limit_of(self._executor)
        if limit is None:
            return await self._claim(self._take(most), worker)
        admitted = await self._admitted(limit, self._take(MOST_TASKS), most)
        leases: list[RemoteLease] = []
        try:
            leases = await self._claim(admitted, worker)
        finally:
            leased = {(each.task.id, each.attempt) for each in leases}
            if unused := [each.key for each in admitted if each.key not in leased]:
                self._limits.release(self._executor, unused)
        return leases

    async def _admitted(
        self, limit: HostLimit, batch: list[WaitingDelivery], most: int
    ) -> list[WaitingDelivery]:
        """Those that the limits let start. The next ones go on waiting here, the others are snoozed."""
        if not batch:
            return []
        keys = [each.key for each in batch]
        try:
            admission = await self._limits.admit(self._executor, limit, keys, room=most, keep=MOST_TASKS)
        except OutsideError:
            self._put_back(batch)
            raise
        first_snoozed = len(batch) - len(admission.wait_until)
        self._put_back(batch[admission.admitted : first_snoozed])
        self._ask_again_at = admission.ask_again_at if admission.kept else 0.0
        why = wait_reason(host_name_of(self._executor), admission.reason)
        self._snoozer.submit(
            PendingSnooze(waiting, why, datetime.fromtimestamp(due, UTC))
            for waiting, due in zip(batch[first_snoozed:], admission.wait_until, strict=True)
        )
        return batch[: admission.admitted]

    def _put_back(self, batch: Sequence[WaitingDelivery]) -> None:
        """Have them wait before all others, for whoever asks next."""
        if not self._is_subscribed:
            self._broker.release([each.delivery for each in batch])
            return
        self._waiting.extendleft(reversed(batch))
        if batch:
            self.wake()

    def _take(self, most: int) -> list[WaitingDelivery]:
        taken: list[WaitingDelivery] = []
        keys: set[tuple[str, int]] = set()
        size = 0
        while self._waiting and len(taken) < most:
            size += len((self._waiting[0].envelope.task.body or "").encode("utf-8", "surrogatepass"))
            if size > MOST_DATA_BYTES and taken:
                break
            waiting = self._waiting.popleft()
            if waiting.key in keys:
                self._drop(waiting, ClaimAnswer.HELD.value)
            else:
                keys.add(waiting.key)
                taken.append(waiting)
        return self._snoozer.without_paused(taken)

    async def _claim(self, batch: Sequence[WaitingDelivery], worker: str) -> list[RemoteLease]:
        if not batch:
            return []
        secret, now = new_secret(), self._clock.now()
        lease_until = now + self._lease_time
        left = list(batch)
        try:
            left = await self._without_foreign(left, now)
            answers = await self._claim_in_store(left, now, lease_until, holder(worker, secret))
        except OutsideError:
            self._put_back(left)
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
