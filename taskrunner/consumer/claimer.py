"""Claimer takes tasks from the backlog as workers become free, claims them and hands them to the workers.

Stale, doubled and cancelled deliveries are acked and dropped. A task without a record is adopted. The task
that runs always is the recorded one: our own envelope holds the bytes of the record, and a foreign message
counts only if its record is made from it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_gate import HostGate
from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.consumer.room_maker import RoomMaker
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.snoozer import Snoozer
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import DeliveryDropped, Events, TaskAdopted, TaskStarted
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AcceptAnswer, AttemptRef, ClaimAnswer, Claimed, Store

_BATCH = 200
# At least this many seconds between two claims: what is claimed ahead keeps the workers busy for longer.
_SPACING = 0.006
# Until somebody wakes us; the number only bounds a wake that was missed.
_REST = 1.0
# Some tasks wait for a worker or for their hosts, which nobody may tell us about.
_BLOCKED = 0.05
# With this many unsettled attempts beyond those at the workers nothing is claimed: the store is behind, and
# outcomes are held in memory.
_UNSETTLED_LIMIT = 1000


class Claimer(Service):
    """One turn claims as much as the workers have room for."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        settings: ConsumerSettings,
        *,
        backlog: Backlog,
        snoozer: Snoozer,
        host_gate: HostGate,
        room_maker: RoomMaker,
        in_flight: InFlight,
        pool: WorkerPool,
    ) -> None:
        super().__init__("claimer", events)
        self._store = store
        self._broker = broker
        self._clock = clock
        self._settings = settings
        self._backlog = backlog
        self._snoozer = snoozer
        self._host_gate = host_gate
        self._room_maker = room_maker
        self._in_flight = in_flight
        self._pool = pool
        self._next_claim = 0.0

    def wake_for_delivery(self) -> None:
        """A delivery was added to the backlog."""
        if not self.awake and self._room() > 0:
            self.wake()

    def wake_for_room(self) -> None:
        """A worker has become free."""
        if len(self._backlog):
            self.wake()

    async def turn(self) -> float:
        await self._wait_for_spacing()
        if self.stopping:
            return _REST  # what is claimed now would only be interrupted, and recorded as an attempt
        await self._make_room()
        return await self._claim_next()

    async def _claim_next(self) -> float:
        room = max(0, self._room())
        batch = self._drop_doubles(self._host_gate.take(min(room, _BATCH), self._pool.total))
        if not batch:
            self._host_gate.end_batch()
            return self._rest()
        try:
            await self._adopt_foreign(batch)
            batch = self._snoozer.without_unserved(self._snoozer.without_paused(batch))
            admitted = await self._host_gate.admit(batch)
            self._snoozer.submit(admitted.snoozes)
            # A pause may have come while the gate asked.
            self._backlog.put_back(self._snoozer.without_paused(admitted.left))
            batch = self._snoozer.without_paused(admitted.starting)
            await self._claim(batch)
        except OutsideError:
            # Not acked, and not claimed as far as we know; a claim that did take effect may be repeated.
            self._backlog.put_back(batch)
            raise
        except Exception:
            await self._claim_one_by_one(batch)
            raise
        finally:
            self._host_gate.end_batch()
        return 0.0 if self._room() > 0 and len(self._backlog) else self._rest()

    async def _make_room(self) -> None:
        snoozes = self._room_maker.make_room(max(0, self._room()))
        foreign = [each.waiting for each in snoozes if each.waiting.foreign]
        left = list(foreign)
        try:
            await self._adopt_foreign(left)
        except Exception:
            self._backlog.put_back(each.waiting for each in snoozes)
            raise
        gone = {*foreign} - {*left}
        self._snoozer.submit(each for each in snoozes if each.waiting not in gone)

    def _room(self) -> int:
        if len(self._in_flight) - self._pool.in_flight >= _UNSETTLED_LIMIT:
            return 0
        return self._pool.room()

    def _rest(self) -> float:
        if not len(self._backlog):
            return _REST
        return min(_BLOCKED, max(_SPACING, self._host_gate.pause)) if self._room() > 0 else _BLOCKED

    async def _claim_one_by_one(self, batch: Sequence[WaitingDelivery]) -> None:
        """After an unexpected fault, which may be about a single task.

        That task is tried again after the pause that follows a fault, and holds up no other. The host gate
        is asked again, since the fault may have come before it was asked.
        """
        self._host_gate.end_batch()
        for waiting in batch:
            if not waiting.foreign and self._in_flight.has(waiting.key):
                continue
            single = [waiting]
            try:
                await self._adopt_foreign(single)
                single = self._snoozer.without_unserved(self._snoozer.without_paused(single))
                admitted = await self._host_gate.admit(single, 1)
                single = admitted.starting
                self._snoozer.submit(admitted.snoozes)
                self._backlog.put_back(admitted.left)
                await self._claim(single)
            except Exception:  # noqa: BLE001 - `turn` reports the first fault
                self._backlog.put_back(single)

    async def _wait_for_spacing(self) -> None:
        early = self._next_claim - self._clock.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        self._next_claim = self._clock.monotonic() + _SPACING

    def _drop_doubles(self, taken: Iterable[WaitingDelivery]) -> list[WaitingDelivery]:
        """The others: an attempt that is in flight here was only delivered again.

        A foreign message is no double of our own envelope, whatever id it names.
        """
        batch: list[WaitingDelivery] = []
        keys: set[tuple[str, int]] = set()
        for waiting in taken:
            if waiting.foreign:
                batch.append(waiting)
            elif self._in_flight.has(waiting.key) or waiting.key in keys:
                self._drop(waiting, ClaimAnswer.HELD.value)
            else:
                keys.add(waiting.key)
                batch.append(waiting)
        return batch

    async def _adopt_foreign(self, batch: list[WaitingDelivery]) -> None:
        """Make records for foreign messages, and remove those whose id has a record or that run later.

        In both cases the record has a due time, so the relay publishes the task.
        """
        foreign = [waiting for waiting in batch if waiting.foreign]
        if not foreign:
            return
        now, hold = self._clock.now(), self._settings.hold
        answers = await self._store.accept([waiting.new_task(now=now, hold=hold) for waiting in foreign])
        for waiting, accepted in zip(foreign, answers, strict=True):
            task = waiting.envelope.task
            if accepted.answer is AcceptAnswer.CREATED:
                self._events.emit(TaskAdopted(task_id=task.id, queue=task.queue))
                waiting.foreign = False
            if waiting.foreign or (task.run_at is not None and task.run_at > now):
                batch.remove(waiting)
                self._drop(waiting, "known" if waiting.foreign else "early")

    async def _claim(self, batch: Sequence[WaitingDelivery]) -> None:
        now = self._clock.now()
        lease_ends = time.monotonic() + self._settings.lease
        answers = await self._claim_in_store(batch, now)
        unknown = [
            waiting
            for waiting, claimed in zip(batch, answers, strict=True)
            if claimed.answer is ClaimAnswer.UNKNOWN
        ]
        adopted = iter(await self._adopt_unknown(unknown, now) if unknown else ())
        for waiting, claimed in zip(batch, answers, strict=True):
            answer = next(adopted) if claimed.answer is ClaimAnswer.UNKNOWN else claimed
            if answer.answer is not ClaimAnswer.CLAIMED:
                self._drop(waiting, answer.answer.value)
                continue
            self._start(
                ClaimedAttempt(
                    waiting.envelope.task,
                    waiting.envelope.attempt,
                    lease_ends=lease_ends,
                    delivery=waiting.delivery,
                    attempt_limit=answer.attempt_limit,
                    claimed_at=now,
                    host_stats=waiting.host_stats,
                )
            )

    async def _claim_in_store(self, batch: Sequence[WaitingDelivery], now: datetime) -> Sequence[Claimed]:
        refs = [AttemptRef(id=task_id, attempt=number) for task_id, number in (w.key for w in batch)]
        lease_until = now + timedelta(seconds=self._settings.lease)
        return await self._store.claim(refs, now=now, lease_until=lease_until, consumer=self._settings.name)

    async def _adopt_unknown(self, batch: Sequence[WaitingDelivery], now: datetime) -> Sequence[Claimed]:
        """Make the records that the store has lost from the envelopes, then claim again."""
        await self._store.accept([waiting.new_task(now=now, hold=self._settings.hold) for waiting in batch])
        claimed = await self._claim_in_store(batch, now)
        for waiting in batch:
            task = waiting.envelope.task
            self._events.emit(TaskAdopted(task_id=task.id, queue=task.queue))
        return claimed

    def _start(self, attempt: ClaimedAttempt) -> None:
        self._in_flight.add(attempt)
        self._events.emit(TaskStarted(task=attempt.task, attempt=attempt.number))
        self._pool.submit(attempt)

    def _drop(self, waiting: WaitingDelivery, reason: str) -> None:
        task_id, number = waiting.key
        self._broker.ack([waiting.delivery])
        self._events.emit(DeliveryDropped(task_id=task_id, attempt=number, reason=reason))
