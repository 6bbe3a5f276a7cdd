"""The gate: which of the delivered tasks may start now, by their hosts; the others are snoozed.

A host that is fast, without limits and without trouble passes by one look into a dictionary. For the others
the store is asked, since limits and trouble are shared by all consumers, and slow hosts are kept from taking
all of this consumer's workers.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from taskrunner.consumer.backlog import Waiting
from taskrunner.consumer.host_ledger import Edit, HostLedger
from taskrunner.consumer.running import Finished, Running
from taskrunner.consumer.snoozer import Drowsy
from taskrunner.consumer.tally import Tallies, Tally
from taskrunner.domain.breaker import Phase
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import CircuitClosed, CircuitOpened, Event, Events, HostSlowedDown
from taskrunner.domain.host import host_of
from taskrunner.domain.host_limit import LimitBook
from taskrunner.domain.host_state import NEAR, Admission, Asking, HostState, admit, queue_up, wait_reason
from taskrunner.domain.politeness import Politeness, Signal, signal
from taskrunner.runtime.ending import end
from taskrunner.stores.base import Store

Change = Callable[[HostState, float], HostState]

# For this long after a refusal or a full house the gate looks further into the backlog than there is room.
_ALERT = 0.5
# So many tasks at most wait at hand for their hosts; the rest of what is delivered is for others.
_AT_HAND = 100
# A host that is alone may have all workers; for this long after another one was seen it is not.
_COMPANY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """`consumer` is the name in the leases of places, `lease` their seconds, `workers` the most of them."""

    consumer: str
    lease: float
    workers: int
    politeness: Politeness


@dataclass(frozen=True, slots=True)
class Sifted:
    """`starting` may be claimed, `left` had no room, and the rest of the batch is snoozed.

    Of what is left so many are `blocked`: they wait for their hosts, not for a worker.
    """

    starting: list[Waiting]
    left: list[Waiting]
    blocked: int = 0


class Gate:
    """Owns what this consumer knows of hosts. `snooze` puts a task off."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        settings: GateSettings,
        *,
        snooze: Callable[[Drowsy], None],
    ) -> None:
        self._events = events
        self._clock = clock
        self._settings = settings
        self._dials = settings.politeness
        self._snooze = snooze
        self._book = LimitBook()
        self._tallies = Tallies()
        self._pending: list[Tally] = []
        self._alert_until = self._crowded_until = self._company_until = 0.0
        self._again = math.inf
        self._last: Tally | None = None
        self.ledger = HostLedger(store, clock, self._dials, self._hear)

    @property
    def alert(self) -> bool:
        """Whether more of the backlog should be looked at than there is room for."""
        return self._clock.monotonic() < self._alert_until

    @property
    def pause(self) -> float:
        """Seconds until a task that waits at hand may start; infinite where none does."""
        return max(0.0, self._again - self._now())

    @property
    def clogged(self) -> bool:
        """Whether slow hosts have workers: then others may wait behind their tasks, where nobody sees it."""
        return any(tally.held for tally in self._tallies.slow)

    def obey(self, book: LimitBook) -> None:
        """These limits are in force from now on."""
        if book.limits == self._book.limits:
            return
        self._book = book
        for tally in self._tallies:
            tally.know(ruling=book.find(tally.host), state=tally.state)

    async def sift(self, batch: Sequence[Waiting], room: int) -> Sifted:
        """Decide for a batch; `room` is for how many there are workers. Raises `StoreUnavailable`."""
        # Not while a batch is looked at: whoever starts is counted by the tally that it was given.
        self._tallies.forget_idle()
        plain: list[Waiting] = []
        asking: dict[Tally, list[Waiting]] = {}
        for waiting in batch:
            tally = waiting.tally = self._tally(host_of(waiting.envelope.task.url))
            if tally is not self._last:
                self._meet(tally)
            if tally.free:
                plain.append(waiting)
            else:
                asking.setdefault(tally, []).append(waiting)
        if not asking:
            return Sifted(plain[:room], plain[room:])
        special_room = room
        if len(batch) > room and plain:
            special_room = min(room, max(1, round(room * (len(batch) - len(plain)) / len(batch))))
        starting, drowsy, waiting_here = await self._ask(asking, max(special_room, room - len(plain)))
        starting += plain[: max(0, room - len(starting))]
        if drowsy or waiting_here or len(batch) > room:
            self._alert_until = self._clock.monotonic() + _ALERT
        for each in drowsy:
            self._snooze(each)
        gone = {*starting, *(each.waiting for each in drowsy)}
        left = [waiting for waiting in batch if waiting not in gone]
        blocked = sum(waiting.tally is None or not waiting.tally.free for waiting in left)
        if blocked < len(left):
            self._crowded_until = self._clock.monotonic() + _ALERT
        return Sifted(starting, left, blocked)

    def claimed(self) -> None:
        """What was sifted last has been claimed, or will not be."""
        for tally in self._pending:
            if tally.pending:
                tally.pending = 0
                self._write_places(tally)
        self._pending.clear()

    def started(self, running: Running) -> None:
        tally = running.tally
        if tally is not None:
            tally.in_flight += 1
            if tally.pending:
                tally.pending -= 1

    def ended(self, finished: Finished) -> None:
        """An attempt has come to an outcome: what does that say of its host?"""
        running, outcome = finished.running, finished.outcome
        tally = running.tally
        if tally is None:
            return
        if running.elapsed and tally.measure(running.elapsed, self._dials.slow):
            self._tallies.sort(tally)
        told = signal(running.attempting.task, outcome)
        if told is Signal.THROTTLED and not self._dials.back_pressure:
            told = Signal.ANSWERED
        if told is Signal.ANSWERED:
            tally.failures = 0
            if tally.state is None or self._phase(tally) is Phase.CLOSED:
                return
        started, dials = running.claimed_at.timestamp(), self._dials
        if told is Signal.ANSWERED:
            self._report(tally, lambda state, now: state.answered(started=started, now=now))
        elif told is Signal.FAILED:
            tally.failures += 1
            if self._phase(tally) is not Phase.CLOSED or 0 < dials.breaker.failures <= tally.failures:
                self._report(tally, lambda state, now: state.failed(dials, started=started, now=now))
        elif told is Signal.THROTTLED:
            tally.failures = 0
            wish = outcome.retry_after
            self._report(tally, lambda state, now: state.throttled(dials, wish, started=started, now=now))

    def settled(self, running: Running) -> bool:
        """An attempt is off our hands: its place is free. Whether tasks wait at hand for that."""
        tally = running.tally
        if tally is None:
            return False
        tally.in_flight -= 1
        self._write_places(tally)
        tally.ask_from = 0.0
        return tally.kept > 0

    def renew(self) -> None:
        """Keep the places of what is under way."""
        for tally in self._tallies:
            if tally.held:
                self._write_places(tally)

    def age(self, held: Iterable[Running]) -> None:
        """A host that nothing has ended at yet is measured by what is still under way there."""
        now = self._clock.now()
        for running in held:
            tally = running.tally
            if tally is not None and tally.unmeasured:
                seconds = (now - running.claimed_at).total_seconds()
                if seconds >= self._dials.slow and tally.measure(seconds, self._dials.slow):
                    self._tallies.sort(tally)

    async def close(self, patience: float) -> None:
        """Let the last changes be written, if that goes within `patience` seconds."""
        writing = asyncio.create_task(self.ledger.drain())
        await asyncio.wait({writing}, timeout=patience)
        await end(writing)

    def _tally(self, host: str) -> Tally:
        tally = self._tallies.find(host)
        if tally is None:
            tally = Tally(host, self._book.find(host))
            self._tallies.add(tally)
        return tally

    def _meet(self, tally: Tally) -> None:
        if self._last is not None:
            self._company_until = self._clock.monotonic() + _COMPANY
        self._last = tally

    def _hear(self, host: str, state: HostState) -> None:
        troubled = state.is_troubled(self._now())
        tally = self._tally(host) if troubled else self._tallies.find(host)
        if tally is not None:
            if self._phase(tally) is not Phase.CLOSED and state.breaker.phase(self._now()) is Phase.CLOSED:
                tally.failures = 0
            tally.know(ruling=tally.ruling, state=state if troubled else None)

    def _phase(self, tally: Tally) -> Phase:
        return Phase.CLOSED if tally.state is None else tally.state.breaker.phase(self._now())

    async def _ask(
        self, asking: dict[Tally, list[Waiting]], room: int
    ) -> tuple[list[Waiting], list[Drowsy], bool]:
        """Those that start, those that are snoozed, and whether others wait at hand."""
        starting: list[Waiting] = []
        drowsy: list[Drowsy] = []
        shared: list[tuple[Tally, list[Waiting], asyncio.Future[Admission]]] = []
        keep, self._again = _AT_HAND, math.inf
        for tally, waiting in asking.items():
            if tally.shared and self._knows(tally, len(waiting)):
                keep -= len(waiting)
                self._again = min(self._again, tally.ask_from)
                continue
            here = self._here(tally)
            # The next host gets no more than what is left, whatever the answer will be.
            most = min(len(waiting), here, room)
            room -= most
            self._pending.append(tally)
            if tally.shared:
                edit = self._admitting(tally, len(waiting), most, max(0, keep))
                shared.append((tally, waiting, self.ledger.change(tally.host, edit)))
                keep -= min(tally.kept, len(waiting))
            else:
                tally.pending = most
                starting += waiting[:most]
                crowded_out, near = self._crowd_out(tally, waiting[here:], keep)
                drowsy += crowded_out
                keep -= near
        # All of them, also when one has failed: a place that is taken later would be given back by nobody.
        await asyncio.gather(*(change for _, _, change in shared), return_exceptions=True)
        for tally, waiting, change in shared:
            admission = change.result()
            tally.kept, tally.ask_from = admission.kept, admission.again
            keep -= admission.kept
            if admission.kept:
                self._again = min(self._again, admission.again)
            starting += waiting[: admission.admitted]
            first = len(waiting) - len(admission.waits)
            crowded_out, near = self._crowd_out(
                tally, waiting[admission.admitted : first - admission.kept], keep
            )
            drowsy += crowded_out
            keep -= near
            why = wait_reason(tally.host, admission.why)
            drowsy += [
                Drowsy(each, why, datetime.fromtimestamp(due, UTC))
                for each, due in zip(waiting[first:], admission.waits, strict=True)
            ]
        return starting, drowsy, keep < _AT_HAND

    def _knows(self, tally: Tally, waiting: int) -> bool:
        """Whether these are the tasks that wait at hand, and their time has not come."""
        return waiting <= tally.kept and self._now() < tally.ask_from

    def _here(self, tally: Tally) -> int:
        """How many more a slow host, or one that nothing is known of, may have of this consumer's workers."""
        if tally.slow:
            return max(0, self._slow_places() - sum(each.held for each in self._tallies.slow))
        if tally.unmeasured:
            return max(0, self._slow_places() - tally.held)
        return self._settings.workers

    def _slow_places(self) -> int:
        """The workers that slow hosts may have together: all while they are alone, few while others wait."""
        workers, now = self._settings.workers, self._clock.monotonic()
        if self._dials.share >= 1 or now >= self._company_until:
            return workers
        shared = max(1, math.floor(self._dials.share * workers))
        return max(1, workers - shared) if now < self._crowded_until else shared

    def _crowd_out(self, tally: Tally, waiting: Sequence[Waiting], keep: int) -> tuple[list[Drowsy], int]:
        """Of a slow host's tasks that no worker here is for: who is snoozed, and how many wait at hand."""
        if not tally.slow or not waiting:
            return [], 0
        step = tally.mean / self._slow_places()
        near = min(len(waiting), max(0, keep), math.ceil(NEAR / step))
        moments, tally.tail = queue_up(
            tally.tail, step, len(waiting) - near, self._dials, now=self._now(), random=random.random()
        )
        why = wait_reason(tally.host, "slow, and its share of the workers is busy")
        drowsy = [
            Drowsy(each, why, datetime.fromtimestamp(due, UTC))
            for each, due in zip(waiting[near:], moments, strict=True)
        ]
        return drowsy, near

    def _admitting(self, tally: Tally, wanted: int, room: int, keep: int) -> Edit[Admission]:
        dice = random.random()
        limit = None if tally.ruling is None else tally.ruling.limit

        def edit(state: HostState) -> tuple[HostState, Admission]:
            now = self._now()
            ask = Asking(
                consumer=self._settings.consumer,
                wanted=wanted,
                room=room,
                held=tally.in_flight,
                lease_until=now + self._settings.lease,
                keep=keep,
            )
            state, admission = admit(state, limit, self._dials, ask, now=now, random=dice)
            # Here, since the next change of this host may be carried out before anybody hears the answer.
            tally.pending = admission.admitted
            return state, admission

        return edit

    def _write_places(self, tally: Tally) -> None:
        """Let all know how many attempts we have under way, where that is limited."""
        if tally.ruling is None or tally.ruling.limit.concurrency is None:
            return

        def change(state: HostState, now: float) -> HostState:
            state = state.measured(None if tally.unmeasured else tally.mean)
            until = now + self._settings.lease
            return state.holding(self._settings.consumer, tally.held, now=now, until=until)

        self._report(tally, change)

    def _report(self, tally: Tally, change: Change) -> None:
        """Change a state without waiting for it, and tell if a circuit or a slowdown changed by it.

        A store that is away is not told: what the host does next will be.
        """

        def edit(state: HostState) -> tuple[HostState, list[Event]]:
            after = change(state, self._now())
            return after, _told(tally.host, state, after)

        def done(changed: "asyncio.Future[list[Event]]") -> None:
            if changed.cancelled() or isinstance(changed.exception(), OutsideError):
                return
            for event in changed.result():
                self._events.emit(event)

        self.ledger.change(tally.host, edit).add_done_callback(done)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _told(host: str, before: HostState, after: HostState) -> list[Event]:
    """A probe that is throttled closes the circuit and slows the host down."""
    told: list[Event] = []
    if after.breaker != before.breaker:
        told.append(CircuitOpened(host=host) if after.breaker.until else CircuitClosed(host=host))
    if after.slowdown.since != before.slowdown.since:
        told.append(HostSlowedDown(host=host))
    return told
