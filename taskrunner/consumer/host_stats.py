"""HostStatsTable owns what one consumer knows about each host: its limit, its trouble and its attempts."""

from collections.abc import Iterator
from dataclasses import dataclass

from taskrunner.domain.executors.executor_limits import EXECUTOR, host_name_of, is_executor
from taskrunner.domain.hosts.circuit_breaker import CircuitPhase
from taskrunner.domain.hosts.host_limit import AppliedLimit, HostLimits
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.tasks.task import Task

# The weight of the newest attempt in the running mean.
_SMOOTHING = 0.2
# A slow host counts as fast again below this share of what makes a host slow.
_STILL_SLOW = 0.8
# With more hosts than this, those without tasks and without trouble are dropped.
_MAX_HOSTS = 20_000


@dataclass(slots=True, eq=False)
class HostStats:
    """One host, or an executor that counts as one.

    `in_flight` counts attempts from claim to settling, `under_way` those that have not ended, `reserved`
    those about to be claimed, `waiting` the tasks in the backlog. `failures` counts failures in a row.
    `mean_time` is the mean seconds of an attempt, valid once the host is no longer `unmeasured`; until then
    `unanswered_checks` have found attempts under way. `slow` hosts share a part of the workers.
    `applied_limit` is the limit in force, `state` the shared state while there is trouble. The shared state
    keeps `queued_here` tasks in the backlog, and asking for them again makes sense from `ask_again_at` on.
    `last_due` is the latest time for which one of its tasks was snoozed because of this consumer's workers.
    """

    host: str
    applied_limit: AppliedLimit | None
    state: HostState | None = None
    in_flight: int = 0
    under_way: int = 0
    reserved: int = 0
    waiting: int = 0
    failures: int = 0
    mean_time: float = 0.0
    unmeasured: bool = True
    unanswered_checks: int = 0
    slow: bool = False
    queued_here: int = 0
    ask_again_at: float = 0.0
    last_due: float = 0.0

    @property
    def occupied(self) -> int:
        """Attempts that count against a limit."""
        return self.in_flight + self.reserved

    @property
    def workers(self) -> int:
        """Those that its attempts have, or are about to have."""
        return self.under_way + self.reserved

    @property
    def is_shared(self) -> bool:
        """Whether the shared state decides what may start."""
        return self.applied_limit is not None or self.state is not None

    @property
    def is_silent(self) -> bool:
        """Whether attempts have been under way for half a second and none has ended."""
        return self.unmeasured and self.unanswered_checks > 1

    def waits(self, now: float) -> bool:
        """Whether the shared state would say again that no task in the backlog may start."""
        return self.is_shared and now < self.ask_again_at and self.waiting + self.reserved <= self.queued_here

    def is_held(self, now: float) -> bool:
        """Whether its tasks may have to wait while there are free workers."""
        return self.slow or self.waits(now)

    @property
    def concurrency_limited(self) -> bool:
        return self.applied_limit is not None and self.applied_limit.limit.concurrency is not None

    def phase(self, now: float) -> CircuitPhase:
        """The phase of the host's circuit breaker."""
        return CircuitPhase.CLOSED if self.state is None else self.state.breaker.phase(now)

    def update(self, applied_limit: AppliedLimit | None, state: HostState | None) -> None:
        self.applied_limit = applied_limit
        self.state = state


class HostStatsTable:
    """All hosts seen lately; `slow` holds the slow ones.

    An executor whose tasks have no URL counts as a host of its own, and so does one that has limits, in place
    of the host of its tasks' URL.
    """

    def __init__(self) -> None:
        self._by_host: dict[str, HostStats] = {}
        self._drop_from = _MAX_HOSTS
        # Rises as the tasks of an executor begin or cease to count as a host of their own.
        self.generation = 0
        self._limits = HostLimits()
        self._limited_executors: frozenset[str] = frozenset()
        self.slow: set[HostStats] = set()

    def __iter__(self) -> Iterator[HostStats]:
        return iter(self._by_host.values())

    def of(self, task: Task) -> HostStats:
        """What decides whether the task may start."""
        url, executor = task.url, task.executor
        if executor is not None and (url is None or executor in self._limited_executors):
            return self.get(host_name_of(executor))
        return self.get(host_of(url or ""))

    def get(self, host: str) -> HostStats:
        """The stats of a host; new ones if the host has none yet."""
        stats = self._by_host.get(host)
        if stats is None:
            stats = self._by_host[host] = HostStats(host, self._limit_of(host))
        return stats

    def apply_limits(self, limits: HostLimits) -> None:
        """Put these limits in force."""
        if limits.limits == self._limits.limits:
            return
        self._limits = limits
        names = (each.removeprefix(EXECUTOR) for each in limits.limits if is_executor(each))
        limited, self._limited_executors = self._limited_executors, frozenset(names)
        self.generation += limited != self._limited_executors
        for stats in self:
            stats.update(self._limit_of(stats.host), stats.state)

    def _limit_of(self, host: str) -> AppliedLimit | None:
        """Patterns are for hosts: of an executor, only its own limit applies."""
        found = self._limits.find(host)
        return None if found is not None and found.pattern != host and is_executor(host) else found

    def set_state(self, host: str, state: HostState, now: float) -> None:
        """Take over a shared state. Only a host in trouble gets an entry by it."""
        troubled = state.is_troubled(now)
        stats = self.get(host) if troubled else self._by_host.get(host)
        if stats is None:
            return
        if stats.phase(now) is not CircuitPhase.CLOSED and state.breaker.phase(now) is CircuitPhase.CLOSED:
            stats.failures = 0
        stats.update(stats.applied_limit, state if troubled else None)

    def measure(self, stats: HostStats, seconds: float, slow_from: float) -> None:
        """Count the time of an attempt; a mean of `slow_from` seconds makes a host slow."""
        mean = stats.mean_time
        self.measure_anew(
            stats, seconds if stats.unmeasured else mean + _SMOOTHING * (seconds - mean), slow_from
        )

    def measure_anew(self, stats: HostStats, mean: float, slow_from: float) -> None:
        """Set the mean, whatever it was."""
        stats.mean_time = mean
        # A host about as slow as that is either for long, not in turns.
        slow = mean >= (slow_from * _STILL_SLOW if stats.slow else slow_from)
        if slow is not stats.slow or stats.unmeasured:
            stats.unmeasured, stats.slow = False, slow
            (self.slow.add if slow else self.slow.discard)(stats)

    def drop_idle(self) -> None:
        """Make room, if there are many hosts, for those that come."""
        if len(self._by_host) >= self._drop_from:
            self._by_host = {
                each.host: each for each in self if each.occupied or each.waiting or each.state is not None
            }
            self.slow &= set(self)
            self._drop_from = max(_MAX_HOSTS, 2 * len(self._by_host))
