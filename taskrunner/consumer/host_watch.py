"""HostWatch learns about hosts from this consumer's attempts and from all other consumers.

It feeds circuit breakers, back-pressure and concurrency limits, which all consumers share in the store.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import count

from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import CircuitClosed, CircuitOpened, Event, Events, HostSlowedDown
from taskrunner.domain.executors.executor_limits import executor_limits
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.hosts.circuit_breaker import CircuitPhase
from taskrunner.domain.hosts.host_limit import HostLimit, HostLimits, read_limits
from taskrunner.domain.hosts.host_settings import HostSignal, host_signal
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.process_events import HostLimitsChanged
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

Change = Callable[[HostState, float], HostState]

# A changed limit takes effect everywhere after about this many seconds.
INTERVAL = 1.0
# Attempts under way are measured so many times in it.
_MEASURES = 4
# Only the states that matter longest are read in advance; the others are read when a task needs them.
_MAX_STATES = 2000
# With more states than this the interval grows in proportion.
_MANY_STATES = 500


class HostWatch(Service):
    """One turn reads limits and states, measures attempts that take long, and renews the places of all."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        settings: ConsumerSettings,
        *,
        hosts: HostStatsTable,
        states: SharedHostStates,
        pool: WorkerPool,
        executors: ExecutorSource,
    ) -> None:
        super().__init__("host watch", events)
        self._store = store
        self._clock = clock
        self._settings = settings
        self._host_settings = settings.host_settings
        self._hosts = hosts
        self._states = states
        self._pool = pool
        self._renew_from = 0.0
        self._turns = count()
        self._seen = 0
        self._stored_limits: Mapping[str, bytes] = {}
        self._configured_limits = settings.host_limits
        self._executors = executors
        self._apply_limits()

    def configure(self, limits: Mapping[str, HostLimit]) -> None:
        """Replace the limits of the configuration."""
        self._configured_limits = limits
        self._apply_limits()

    async def turn(self) -> float:
        self.measure_running()
        if next(self._turns) % _MEASURES == 0:
            await self._read()
        return INTERVAL / _MEASURES * max(1.0, self._seen / _MANY_STATES)

    def learn_from(self, attempt: ClaimedAttempt) -> None:
        """Count the time of an ended attempt, and feed circuit breaker and back-pressure by its outcome."""
        stats, outcome = attempt.host_stats, attempt.outcome
        stats.under_way -= 1
        settings = self._host_settings
        if attempt.elapsed:
            self._hosts.measure(stats, attempt.elapsed, settings.slow)
        elif not stats.under_way:
            stats.unanswered_checks = 0
        if attempt.task.url is None:
            return  # what a function raises says nothing of its next call
        said = host_signal(attempt.task, outcome)
        if said is HostSignal.THROTTLED and not settings.back_pressure:
            said = HostSignal.ANSWERED
        if said is HostSignal.ANSWERED:
            stats.failures = 0
            if stats.state is None or stats.phase(self._now()) is CircuitPhase.CLOSED:
                return
        started = attempt.claimed_at.timestamp()
        if said is HostSignal.ANSWERED:
            self._change(stats, lambda state, now: state.answered(started=started, now=now))
        elif said is HostSignal.FAILED:
            stats.failures += 1
            too_many = 0 < settings.breaker.failures <= stats.failures
            if too_many or stats.phase(self._now()) is not CircuitPhase.CLOSED:
                self._change(stats, lambda state, now: state.failed(settings, started=started, now=now))
        elif said is HostSignal.THROTTLED:
            stats.failures = 0
            pause = outcome.retry_after
            self._change(stats, lambda state, now: state.throttled(settings, pause, started=started, now=now))

    def release_place(self, attempt: ClaimedAttempt) -> bool:
        """Release an attempt's place. Returns whether tasks in the backlog wait for a place at this host."""
        stats = attempt.host_stats
        self.write_places(stats)
        stats.ask_again_at = 0.0
        return stats.waiting > 0

    def renew_places(self) -> None:
        """Renew the leases of all places."""
        for stats in self._hosts:
            if stats.occupied:
                self.write_places(stats)

    def measure_running(self) -> None:
        """Measure hosts by attempts that take long and have not ended: a host may hang, or none ended yet.

        Only attempts that have surely begun count, from when they were first seen so: one that was claimed
        ahead waits behind attempts of other hosts, which says nothing of its own.
        """
        now, slow = self._clock.now(), self._host_settings.slow
        late: defaultdict[HostStats, list[float]] = defaultdict(list)
        begun: Counter[HostStats] = Counter()
        for attempt in self._pool.under_way():
            stats = attempt.host_stats
            if stats.slow:
                continue
            begun[stats] += 1
            if attempt.running_since is None:
                attempt.running_since = now
            elif (age := (now - attempt.running_since).total_seconds()) >= slow:
                late[stats].append(age)
        for stats in begun:
            stats.unanswered_checks += stats.unmeasured
        for stats, ages in late.items():
            if stats.unmeasured or 2 * len(ages) > begun[stats]:
                self._hosts.measure_anew(stats, max(ages), slow)

    def write_places(self, stats: HostStats) -> None:
        """Write how many attempts this consumer has at a host, if the host's concurrency is limited."""
        if not stats.concurrency_limited:
            return

        def change(state: HostState, now: float) -> HostState:
            state = state.with_mean(None if stats.unmeasured else stats.mean_time)
            until = now + self._settings.lease
            return state.with_slots(self._settings.name, stats.occupied, now=now, until=until)

        self._change(stats, change)

    async def _read(self) -> None:
        now = self._clock.monotonic()
        if now >= self._renew_from:
            self.renew_places()
            self._renew_from = now + self._settings.lease / 3
        await self._read_limits()
        self._seen = await self._states.refresh(_MAX_STATES)

    async def _read_limits(self) -> None:
        stored = await self._store.host_limits()
        if stored != self._stored_limits:
            self._stored_limits = stored
            self._events.emit(HostLimitsChanged(patterns=tuple(sorted(stored))))
        self._apply_limits()

    def _apply_limits(self) -> None:
        known = self._executors.known or {}
        given = {**read_limits(self._stored_limits), **executor_limits(known.values())}
        self._hosts.apply_limits(HostLimits(self._configured_limits, given))

    def _change(self, stats: HostStats, change: Change) -> None:
        """Change the shared state of a host and emit an event for each circuit or slowdown that changes.

        A change that the store cannot take is dropped: later attempts show again how the host fares.
        """

        def edit(state: HostState) -> tuple[HostState, list[Event]]:
            after = change(state, self._now())
            return after, _events(stats.host, state, after)

        def done(changed: "asyncio.Future[list[Event]]") -> None:
            if changed.cancelled() or isinstance(changed.exception(), OutsideError):
                return
            for event in changed.result():
                self._events.emit(event)

        self._states.change(stats.host, edit).add_done_callback(done)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _events(host: str, before: HostState, after: HostState) -> list[Event]:
    """A throttled probe causes two: the circuit closes and the host slows down."""
    events: list[Event] = []
    if after.breaker != before.breaker:
        events.append(CircuitOpened(host=host) if after.breaker.until else CircuitClosed(host=host))
    if after.back_pressure.since != before.back_pressure.since:
        events.append(HostSlowedDown(host=host))
    return events
