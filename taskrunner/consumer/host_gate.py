"""The host_gate: which of the delivered tasks may start now, by their hosts; the others are snoozed.

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

from taskrunner.consumer.backlog import WaitingDelivery
from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.shared_host_states import Edit, SharedHostStates
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.domain.circuit_breaker import CircuitPhase
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import CircuitClosed, CircuitOpened, Event, Events, HostSlowedDown
from taskrunner.domain.host_admission import (
    SHORT_WAIT,
    Admission,
    AdmissionRequest,
    admit,
    assign_wait_times,
    wait_reason,
)
from taskrunner.domain.host_limit import HostLimits
from taskrunner.domain.host_name import host_of
from taskrunner.domain.host_settings import HostSettings, HostSignal, host_signal
from taskrunner.domain.host_state import HostState
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.stores.base import Store

Change = Callable[[HostState, float], HostState]

# For this long after a refusal or a full runner the host_gate looks further into the backlog than there is
# room.
_ALERT = 0.5
# So many tasks at most wait at hand for their hosts; the rest of what is delivered is for others.
_AT_HAND = 100
# A host that is alone may have all workers; for this long after another one was seen it is not.
_COMPANY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGateSettings:
    """`consumer` is the name in the leases of places, `lease` their seconds, `workers` the most of them."""

    consumer: str
    lease: float
    workers: int
    host_policy: HostSettings


@dataclass(frozen=True, slots=True)
class Admitted:
    """`starting` may be claimed, `left` had no room, and the rest of the batch is snoozed.

    Of what is left so many are `blocked`: they wait for their hosts, not for a worker.
    """

    starting: list[WaitingDelivery]
    left: list[WaitingDelivery]
    blocked: int = 0


class HostGate:
    """Owns what this consumer knows of hosts. `snooze` puts a task off."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        settings: HostGateSettings,
        *,
        snooze: Callable[[PendingSnooze], None],
    ) -> None:
        self._events = events
        self._clock = clock
        self._settings = settings
        self._policy = settings.host_policy
        self._snooze = snooze
        self._book = HostLimits()
        self._tallies = HostStatsTable()
        self._pending: list[HostStats] = []
        self._alert_until = self._crowded_until = self._company_until = 0.0
        self._again = math.inf
        self._last: HostStats | None = None
        self.ledger = SharedHostStates(store, clock, self._policy, self._hear)

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
        return any(host_stats.held for host_stats in self._tallies.slow)

    def apply(self, book: HostLimits) -> None:
        """These limits are in force from now on."""
        if book.limits == self._book.limits:
            return
        self._book = book
        for host_stats in self._tallies:
            host_stats.know(applied=book.find(host_stats.host), state=host_stats.state)

    async def admit(self, batch: Sequence[WaitingDelivery], room: int) -> Admitted:
        """Decide for a batch; `room` is for how many there are workers. Raises `StoreUnavailable`."""
        # Not while a batch is looked at: whoever starts is counted by the host_stats that it was given.
        self._tallies.forget_idle()
        plain: list[WaitingDelivery] = []
        asking: dict[HostStats, list[WaitingDelivery]] = {}
        for waiting in batch:
            host_stats = waiting.host_stats = self._tally(host_of(waiting.envelope.task.url))
            if host_stats is not self._last:
                self._meet(host_stats)
            if host_stats.free:
                plain.append(waiting)
            else:
                asking.setdefault(host_stats, []).append(waiting)
        if not asking:
            return Admitted(plain[:room], plain[room:])
        special_room = room
        if len(batch) > room and plain:
            special_room = min(room, max(1, round(room * (len(batch) - len(plain)) / len(batch))))
        starting, pending, waiting_here = await self._ask(asking, max(special_room, room - len(plain)))
        starting += plain[: max(0, room - len(starting))]
        if pending or waiting_here or len(batch) > room:
            self._alert_until = self._clock.monotonic() + _ALERT
        for each in pending:
            self._snooze(each)
        gone = {*starting, *(each.waiting for each in pending)}
        left = [waiting for waiting in batch if waiting not in gone]
        blocked = sum(waiting.host_stats is None or not waiting.host_stats.free for waiting in left)
        if blocked < len(left):
            self._crowded_until = self._clock.monotonic() + _ALERT
        return Admitted(starting, left, blocked)

    def claimed(self) -> None:
        """What was admitted last has been claimed, or will not be."""
        for host_stats in self._pending:
            if host_stats.pending:
                host_stats.pending = 0
                self._write_places(host_stats)
        self._pending.clear()

    def started(self, running: ClaimedAttempt) -> None:
        host_stats = running.host_stats
        if host_stats is not None:
            host_stats.in_flight += 1
            if host_stats.pending:
                host_stats.pending -= 1

    def ended(self, finished: FinishedAttempt) -> None:
        """An attempt has come to an outcome: what does that say of its host?"""
        running, outcome = finished.running, finished.outcome
        host_stats = running.host_stats
        if host_stats is None:
            return
        if running.elapsed and host_stats.measure(running.elapsed, self._policy.slow):
            self._tallies.sort(host_stats)
        told = host_signal(running.context.task, outcome)
        if told is HostSignal.THROTTLED and not self._policy.back_pressure:
            told = HostSignal.ANSWERED
        if told is HostSignal.ANSWERED:
            host_stats.failures = 0
            if host_stats.state is None or self._phase(host_stats) is CircuitPhase.CLOSED:
                return
        started, policy = running.claimed_at.timestamp(), self._policy
        if told is HostSignal.ANSWERED:
            self._report(host_stats, lambda state, now: state.answered(started=started, now=now))
        elif told is HostSignal.FAILED:
            host_stats.failures += 1
            if (
                self._phase(host_stats) is not CircuitPhase.CLOSED
                or 0 < policy.breaker.failures <= host_stats.failures
            ):
                self._report(host_stats, lambda state, now: state.failed(policy, started=started, now=now))
        elif told is HostSignal.THROTTLED:
            host_stats.failures = 0
            wish = outcome.retry_after
            self._report(
                host_stats, lambda state, now: state.throttled(policy, wish, started=started, now=now)
            )

    def settled(self, running: ClaimedAttempt) -> bool:
        """An attempt is off our hands: its place is free. Whether tasks wait at hand for that."""
        host_stats = running.host_stats
        if host_stats is None:
            return False
        host_stats.in_flight -= 1
        self._write_places(host_stats)
        host_stats.ask_from = 0.0
        return host_stats.kept > 0

    def renew(self) -> None:
        """Keep the places of what is under way."""
        for host_stats in self._tallies:
            if host_stats.held:
                self._write_places(host_stats)

    def age(self, held: Iterable[ClaimedAttempt]) -> None:
        """A host that nothing has ended at yet is measured by what is still under way there."""
        now = self._clock.now()
        for running in held:
            host_stats = running.host_stats
            if host_stats is not None and host_stats.unmeasured:
                seconds = (now - running.claimed_at).total_seconds()
                if seconds >= self._policy.slow and host_stats.measure(seconds, self._policy.slow):
                    self._tallies.sort(host_stats)

    async def close(self, patience: float) -> None:
        """Let the last changes be written, if that goes within `patience` seconds."""
        writing = asyncio.create_task(self.ledger.drain())
        await asyncio.wait({writing}, timeout=patience)
        await cancel_and_wait(writing)

    def _tally(self, host: str) -> HostStats:
        host_stats = self._tallies.find(host)
        if host_stats is None:
            host_stats = HostStats(host, self._book.find(host))
            self._tallies.add(host_stats)
        return host_stats

    def _meet(self, host_stats: HostStats) -> None:
        if self._last is not None:
            self._company_until = self._clock.monotonic() + _COMPANY
        self._last = host_stats

    def _hear(self, host: str, state: HostState) -> None:
        troubled = state.is_troubled(self._now())
        host_stats = self._tally(host) if troubled else self._tallies.find(host)
        if host_stats is not None:
            if (
                self._phase(host_stats) is not CircuitPhase.CLOSED
                and state.breaker.phase(self._now()) is CircuitPhase.CLOSED
            ):
                host_stats.failures = 0
            host_stats.know(applied=host_stats.applied, state=state if troubled else None)

    def _phase(self, host_stats: HostStats) -> CircuitPhase:
        return (
            CircuitPhase.CLOSED if host_stats.state is None else host_stats.state.breaker.phase(self._now())
        )

    async def _ask(
        self, asking: dict[HostStats, list[WaitingDelivery]], room: int
    ) -> tuple[list[WaitingDelivery], list[PendingSnooze], bool]:
        """Those that start, those that are snoozed, and whether others wait at hand."""
        starting: list[WaitingDelivery] = []
        pending: list[PendingSnooze] = []
        shared: list[tuple[HostStats, list[WaitingDelivery], asyncio.Future[Admission]]] = []
        keep, self._again = _AT_HAND, math.inf
        for host_stats, waiting in asking.items():
            if host_stats.shared and self._knows(host_stats, len(waiting)):
                keep -= len(waiting)
                self._again = min(self._again, host_stats.ask_from)
                continue
            here = self._here(host_stats)
            # The next host gets no more than what is left, whatever the answer will be.
            most = min(len(waiting), here, room)
            room -= most
            self._pending.append(host_stats)
            if host_stats.shared:
                edit = self._admitting(host_stats, len(waiting), most, max(0, keep))
                shared.append((host_stats, waiting, self.ledger.change(host_stats.host, edit)))
                keep -= min(host_stats.kept, len(waiting))
            else:
                host_stats.pending = most
                starting += waiting[:most]
                crowded_out, near = self._crowd_out(host_stats, waiting[here:], keep)
                pending += crowded_out
                keep -= near
        # All of them, also when one has failed: a place that is taken later would be given back by nobody.
        await asyncio.gather(*(change for _, _, change in shared), return_exceptions=True)
        for host_stats, waiting, change in shared:
            admission = change.result()
            host_stats.kept, host_stats.ask_from = admission.kept, admission.ask_again_at
            keep -= admission.kept
            if admission.kept:
                self._again = min(self._again, admission.ask_again_at)
            starting += waiting[: admission.admitted]
            first = len(waiting) - len(admission.wait_until)
            crowded_out, near = self._crowd_out(
                host_stats, waiting[admission.admitted : first - admission.kept], keep
            )
            pending += crowded_out
            keep -= near
            why = wait_reason(host_stats.host, admission.reason)
            pending += [
                PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
                for each, due in zip(waiting[first:], admission.wait_until, strict=True)
            ]
        return starting, pending, keep < _AT_HAND

    def _knows(self, host_stats: HostStats, waiting: int) -> bool:
        """Whether these are the tasks that wait at hand, and their time has not come."""
        return waiting <= host_stats.kept and self._now() < host_stats.ask_from

    def _here(self, host_stats: HostStats) -> int:
        """How many more a slow host, or one that nothing is known of, may have of this consumer's workers."""
        if host_stats.slow:
            return max(0, self._slow_places() - sum(each.held for each in self._tallies.slow))
        if host_stats.unmeasured:
            return max(0, self._slow_places() - host_stats.held)
        return self._settings.workers

    def _slow_places(self) -> int:
        """The workers that slow hosts may have together: all while they are alone, few while others wait."""
        workers, now = self._settings.workers, self._clock.monotonic()
        if self._policy.share >= 1 or now >= self._company_until:
            return workers
        shared = max(1, math.floor(self._policy.share * workers))
        return max(1, workers - shared) if now < self._crowded_until else shared

    def _crowd_out(
        self, host_stats: HostStats, waiting: Sequence[WaitingDelivery], keep: int
    ) -> tuple[list[PendingSnooze], int]:
        """Of a slow host's tasks that no worker here is for: who is snoozed, and how many wait at hand."""
        if not host_stats.slow or not waiting:
            return [], 0
        step = host_stats.mean / self._slow_places()
        near = min(len(waiting), max(0, keep), math.ceil(SHORT_WAIT / step))
        moments, host_stats.tail = assign_wait_times(
            host_stats.tail,
            step,
            len(waiting) - near,
            self._policy,
            now=self._now(),
            random=random.random(),
        )
        why = wait_reason(host_stats.host, "slow, and its share of the workers is busy")
        pending = [
            PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
            for each, due in zip(waiting[near:], moments, strict=True)
        ]
        return pending, near

    def _admitting(self, host_stats: HostStats, wanted: int, room: int, keep: int) -> Edit[Admission]:
        dice = random.random()
        limit = None if host_stats.applied is None else host_stats.applied.limit

        def edit(state: HostState) -> tuple[HostState, Admission]:
            now = self._now()
            ask = AdmissionRequest(
                consumer=self._settings.consumer,
                wanted=wanted,
                room=room,
                held=host_stats.in_flight,
                lease_until=now + self._settings.lease,
                keep=keep,
            )
            state, admission = admit(state, limit, self._policy, ask, now=now, random=dice)
            # Here, since the next change of this host may be carried out before anybody hears the answer.
            host_stats.pending = admission.admitted
            return state, admission

        return edit

    def _write_places(self, host_stats: HostStats) -> None:
        """Let all know how many attempts we have under way, where that is limited."""
        if host_stats.applied is None or host_stats.applied.limit.concurrency is None:
            return

        def change(state: HostState, now: float) -> HostState:
            state = state.with_mean(None if host_stats.unmeasured else host_stats.mean)
            until = now + self._settings.lease
            return state.with_slots(self._settings.consumer, host_stats.held, now=now, until=until)

        self._report(host_stats, change)

    def _report(self, host_stats: HostStats, change: Change) -> None:
        """Change a state without waiting for it, and tell if a circuit or a slowdown changed by it.

        A store that is away is not told: what the host does next will be.
        """

        def edit(state: HostState) -> tuple[HostState, list[Event]]:
            after = change(state, self._now())
            return after, _told(host_stats.host, state, after)

        def done(changed: "asyncio.Future[list[Event]]") -> None:
            if changed.cancelled() or isinstance(changed.exception(), OutsideError):
                return
            for event in changed.result():
                self._events.emit(event)

        self.ledger.change(host_stats.host, edit).add_done_callback(done)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _told(host: str, before: HostState, after: HostState) -> list[Event]:
    """A probe that is throttled closes the circuit and slows the host down."""
    told: list[Event] = []
    if after.breaker != before.breaker:
        told.append(CircuitOpened(host=host) if after.breaker.until else CircuitClosed(host=host))
    if after.back_pressure.since != before.back_pressure.since:
        told.append(HostSlowedDown(host=host))
    return told
