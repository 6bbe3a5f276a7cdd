"""HostRound is one round of the host gate: which hosts may have how many of the workers. Pure decisions."""

from dataclasses import dataclass, field

from taskrunner.consumer.host_stats import HostStats

# The share of the workers that a host may have while others wait: it may begin to hang at any moment.
_UNMEASURED_SHARE, _FAST_SHARE = 0.5, 0.75


@dataclass(slots=True, kw_only=True)
class HostRound:
    """Of the `workers` slow hosts together may have `slow_places` more.

    A fast host has at most `most_fast`, since it may begin to hang, one of which nothing is known `most_new`,
    and one that is silent `most_silent`, since it may turn out to be slow.

    `now` is in seconds since 1970. Places are reserved at the `started` hosts; of these, the shared state has
    to be asked about the `asking`. The `over` have their share.
    """

    now: float
    workers: int
    most_fast: float
    most_new: int
    most_silent: int
    slow_places: int
    started: set[HostStats] = field(default_factory=set)
    asking: set[HostStats] = field(default_factory=set)
    over: set[HostStats] = field(default_factory=set)
    _fair_new: float = field(init=False)
    _fair_fast: float = field(init=False)

    def __post_init__(self) -> None:
        self._fair_new = max(1, _UNMEASURED_SHARE * self.workers)
        self._fair_fast = max(1, _FAST_SHARE * self.workers)

    def may_start(self, stats: HostStats) -> bool:
        """Whether one more attempt may start at a host, as far as this consumer knows; reserves its place."""
        if stats.slow:
            if self.slow_places <= 0:
                return False
        elif stats.unmeasured:
            if stats.workers >= (self.most_silent if stats.is_silent else self.most_new):
                return False
        elif stats.under_way + stats.reserved >= self.most_fast:
            return False
        if stats.applied_limit is not None or stats.state is not None:
            if stats.waits(self.now):
                return False
            self.asking.add(stats)
        if stats.slow:
            self.slow_places -= 1
        if not stats.reserved:
            self.started.add(stats)
        stats.reserved += 1
        return True

    def may_start_fairly(self, stats: HostStats) -> bool:
        """The same, within the share of the workers that no host may exceed while others wait."""
        most = self._fair_new if stats.unmeasured else self._fair_fast
        if stats.under_way + stats.reserved >= most:
            self.over.add(stats)
            return False
        return self.may_start(stats)
