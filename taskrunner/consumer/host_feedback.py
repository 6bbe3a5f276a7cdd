"""HostFeedback learns about hosts from this consumer's attempts and tells all consumers."""

import asyncio
from collections.abc import Callable, Iterable

from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.domain.circuit_breaker import Phase
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import CircuitClosed, CircuitOpened, Event, Events, HostSlowedDown
from taskrunner.domain.host_policy import Signal, signal
from taskrunner.domain.host_state import HostState

Change = Callable[[HostState, float], HostState]


class HostFeedback:
    """Feeds circuit breakers, back-pressure and concurrency limits; nothing here waits for the store."""

    def __init__(
        self,
        states: SharedHostStates,
        hosts: HostStatsTable,
        events: Events,
        clock: Clock,
        settings: ConsumerSettings,
    ) -> None:
        self._states = states
        self._hosts = hosts
        self._events = events
        self._clock = clock
        self._settings = settings
        self._policy = settings.host_policy

    def started(self, attempt: ClaimedAttempt) -> None:
        """Count an attempt that was claimed; the host gate has reserved its place."""
        stats = attempt.host_stats
        if stats is not None:
            stats.in_flight += 1
            if stats.reserved:
                stats.reserved -= 1

    def finished(self, finished: FinishedAttempt) -> None:
        """Learn from an outcome."""
        attempt, outcome = finished.attempt, finished.outcome
        stats = attempt.host_stats
        if stats is None:
            return
        policy = self._policy
        if attempt.elapsed:
            self._hosts.measure(stats, attempt.elapsed, policy.slow)
        said = signal(attempt.task, outcome)
        if said is Signal.THROTTLED and not policy.back_pressure:
            said = Signal.ANSWERED
        if said is Signal.ANSWERED:
            stats.failures = 0
            if stats.state is None or stats.phase(self._now()) is Phase.CLOSED:
                return
        started = attempt.claimed_at.timestamp()
        if said is Signal.ANSWERED:
            self._change(stats, lambda state, now: state.answered(started=started, now=now))
        elif said is Signal.FAILED:
            stats.failures += 1
            too_many = 0 < policy.breaker.failures <= stats.failures
            if too_many or stats.phase(self._now()) is not Phase.CLOSED:
                self._change(stats, lambda state, now: state.failed(policy, started=started, now=now))
        elif said is Signal.THROTTLED:
            stats.failures = 0
            pause = outcome.retry_after
            self._change(stats, lambda state, now: state.throttled(policy, pause, started=started, now=now))

    def settled(self, attempt: ClaimedAttempt) -> bool:
        """Give up an attempt's place. Returns whether tasks in the backlog wait for a place at this host."""
        stats = attempt.host_stats
        if stats is None:
            return False
        stats.in_flight -= 1
        self.write_places(stats)
        stats.ask_again_at = 0.0
        return stats.queued_here > 0

    def renew_places(self) -> None:
        """Renew the leases of all places."""
        for stats in self._hosts:
            if stats.occupied:
                self.write_places(stats)

    def measure_running(self, attempts: Iterable[ClaimedAttempt]) -> None:
        """Measure hosts where nothing has ended yet by the attempts that still run there."""
        now, slow = self._clock.now(), self._policy.slow
        for attempt in attempts:
            stats = attempt.host_stats
            if stats is not None and stats.unmeasured:
                seconds = (now - attempt.claimed_at).total_seconds()
                if seconds >= slow:
                    self._hosts.measure(stats, seconds, slow)

    def write_places(self, stats: HostStats) -> None:
        """Write how many attempts this consumer has at a host, if the host's concurrency is limited."""
        if not stats.concurrency_limited:
            return

        def change(state: HostState, now: float) -> HostState:
            state = state.measured(None if stats.unmeasured else stats.mean_time)
            until = now + self._settings.lease
            return state.holding(self._settings.name, stats.occupied, now=now, until=until)

        self._change(stats, change)

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
    if after.slowdown.since != before.slowdown.since:
        events.append(HostSlowedDown(host=host))
    return events
