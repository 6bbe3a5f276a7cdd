"""The claimer takes tasks from the backlog as workers become free, and claims them in the store.

Of a batch, what is claimed goes to the pool; what is stale, doubled or cancelled is acked and dropped;
what has no record is adopted. What runs is always the recorded task: an envelope of ours holds the record's
own bytes, and a foreign message counts only if its record is made from it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.consumer.adoption import record_of
from taskrunner.consumer.backlog import Backlog, WaitingDelivery
from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.host_gate import HostGate
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import DeliveryDropped, Events, TaskAdopted
from taskrunner.handlers.base import AttemptContext
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AcceptAnswer, AttemptRef, ClaimAnswer, Claimed, NewTask, Store

_BATCH = 200
# So many are looked at to find some that can start: more than may wait at hand in front of them.
_LOOK = 500
# So many more than there is room for, where enough can start: the host_gate is to see that others wait.
_GLANCE = 20
# At most one call in this many seconds: what is claimed ahead keeps the workers busy for longer.
_SPACING = 0.006
# Nothing to do until somebody wakes us; the number only bounds a wake that was missed.
_REST = 1.0
# There are tasks that cannot start for now, and others may be behind them.
_BLOCKED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSettings:
    """`consumer` is the name in the claim, `lease` its seconds, `hold` the relay's for adopted tasks."""

    consumer: str
    lease: float
    hold: float


class Claimer(Service):
    """One turn claims as much as the pool has room for. `held` is everything claimed and not yet settled."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        backlog: Backlog,
        held: dict[tuple[str, int], ClaimedAttempt],
        settings: ClaimSettings,
        *,
        room: Callable[[], int],
        start: Callable[[ClaimedAttempt], None],
        snooze: Callable[[WaitingDelivery], bool],
        host_gate: HostGate,
    ) -> None:
        super().__init__("claimer", events)
        self._store = store
        self._broker = broker
        self._clock = clock
        self._backlog = backlog
        self._held = held
        self._settings = settings
        self._room = room
        self._start = start
        self._snooze = snooze
        self._host_gate = host_gate
        self._next_claim = 0.0
        self._blocked = 0
        self._short = False

    async def turn(self) -> float:
        await self._space()
        if self.stopping:
            return _REST  # what was claimed now would only be given back, at the price of an attempt's line
        room = min(max(0, self._room()), _BATCH)
        batch = self._take(self._look_ahead(room))
        if not batch:
            return self._rest()
        taken = len(batch)
        try:
            await self._admit(batch)
            batch = [waiting for waiting in batch if not self._snooze(waiting)]
            admitted = await self._host_gate.admit(batch, room)
            self._backlog.put_back(admitted.left)
            self._blocked, self._short = admitted.blocked, len(admitted.starting) < room
            batch = admitted.starting
            await self._claim(batch)
        except OutsideError:
            # Unacked and unclaimed as far as we know; a claim that did take effect may be repeated by us.
            self._backlog.put_back(batch)
            raise
        except Exception:
            await self._claim_apart(batch)
            raise
        finally:
            self._host_gate.claimed()
        if len(admitted.left) == taken or not room:
            return min(_BLOCKED, self._host_gate.pause)
        return 0.0 if self._room() > 0 and len(self._backlog) else self._rest()

    def _look_ahead(self, room: int) -> int:
        """How far to look into the backlog: each look costs time, and what is left is looked at again."""
        if not (self._host_gate.alert if room else self._host_gate.clogged):
            return room
        return _LOOK if self._short or not room else room + self._blocked + _GLANCE

    def _rest(self) -> float:
        return _BLOCKED if self._host_gate.clogged and len(self._backlog) else _REST

    async def _claim_apart(self, batch: Sequence[WaitingDelivery]) -> None:
        """Claim each by itself after a fault that nobody expected, which may be about one of them only.

        That one is tried again after the pause that follows a fault, and holds up nobody until then. Its host
        is asked anew, since the fault may have come before it was.
        """
        self._host_gate.claimed()
        for waiting in batch:
            if not waiting.foreign and waiting.key in self._held:
                continue
            alone = [waiting]
            try:
                await self._admit(alone)
                alone = [each for each in alone if not self._snooze(each)]
                admitted = await self._host_gate.admit(alone, min(max(0, self._room()), 1))
                alone = admitted.starting
                self._backlog.put_back(admitted.left)
                await self._claim(alone)
            except Exception:  # noqa: BLE001 - told by whoever called us, since the first was the same
                self._backlog.put_back(alone)

    async def _space(self) -> None:
        early = self._next_claim - self._clock.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        self._next_claim = self._clock.monotonic() + _SPACING

    def _take(self, count: int) -> list[WaitingDelivery]:
        """A batch without doubles: what we hold already, the broker has merely sent again.

        A foreign message is no double of an envelope of ours, whatever id it names.
        """
        batch: list[WaitingDelivery] = []
        keys: set[tuple[str, int]] = set()
        for waiting in self._backlog.take(count):
            if waiting.foreign:
                batch.append(waiting)
            elif waiting.key in self._held or waiting.key in keys:
                self._drop(waiting, ClaimAnswer.HELD.value)
            else:
                keys.add(waiting.key)
                batch.append(waiting)
        return batch

    async def _admit(self, batch: list[WaitingDelivery]) -> None:
        """Give foreign messages their records; take those out whose id has one, or that are to run later.

        Either way the record has a due time, so the task is the relay's.
        """
        foreign = [waiting for waiting in batch if waiting.foreign]
        if not foreign:
            return
        now = self._clock.now()
        answers = await self._store.accept([self._record(waiting, now) for waiting in foreign])
        for waiting, accepted in zip(foreign, answers, strict=True):
            task = waiting.envelope.task
            if accepted.answer is AcceptAnswer.CREATED:
                self._events.emit(TaskAdopted(task_id=task.id, queue=task.priority))
                waiting.foreign = False
            if waiting.foreign or (task.run_at is not None and task.run_at > now):
                batch.remove(waiting)
                self._drop(waiting, "known" if waiting.foreign else "early")

    async def _claim(self, batch: Sequence[WaitingDelivery]) -> None:
        now = self._clock.now()
        lease_ends = time.monotonic() + self._settings.lease
        answers = await self._ask(batch, now)
        unknown = [
            waiting
            for waiting, claimed in zip(batch, answers, strict=True)
            if claimed.answer is ClaimAnswer.UNKNOWN
        ]
        adopted = iter(await self._adopt(unknown, now) if unknown else ())
        for waiting, claimed in zip(batch, answers, strict=True):
            answer = next(adopted) if claimed.answer is ClaimAnswer.UNKNOWN else claimed
            self._act(waiting, answer, now, lease_ends)

    async def _ask(self, batch: Sequence[WaitingDelivery], now: datetime) -> Sequence[Claimed]:
        refs = [AttemptRef(id=task_id, attempt=number) for task_id, number in (w.key for w in batch)]
        lease_until = now + timedelta(seconds=self._settings.lease)
        return await self._store.claim(
            refs, now=now, lease_until=lease_until, consumer=self._settings.consumer
        )

    async def _adopt(self, batch: Sequence[WaitingDelivery], now: datetime) -> Sequence[Claimed]:
        """Make the records that the store has lost from the envelopes, then claim again."""
        await self._store.accept([self._record(waiting, now) for waiting in batch])
        claimed = await self._ask(batch, now)
        for waiting in batch:
            task = waiting.envelope.task
            self._events.emit(TaskAdopted(task_id=task.id, queue=task.priority))
        return claimed

    def _record(self, waiting: WaitingDelivery, now: datetime) -> NewTask:
        return record_of(waiting, now=now, hold=self._settings.hold)

    def _act(self, waiting: WaitingDelivery, claimed: Claimed, now: datetime, lease_ends: float) -> None:
        if claimed.answer is not ClaimAnswer.CLAIMED:
            self._drop(waiting, claimed.answer.value)
            return
        running = ClaimedAttempt(
            context=AttemptContext(waiting.envelope.task, waiting.envelope.attempt),
            delivery=waiting.delivery,
            attempt_limit=claimed.attempt_limit,
            claimed_at=now,
            lease_ends=lease_ends,
            host_stats=waiting.host_stats,
        )
        self._held[running.key] = running
        self._start(running)

    def _drop(self, waiting: WaitingDelivery, reason: str) -> None:
        task_id, number = waiting.key
        self._broker.ack([waiting.delivery])
        self._events.emit(DeliveryDropped(task_id=task_id, attempt=number, reason=reason))
