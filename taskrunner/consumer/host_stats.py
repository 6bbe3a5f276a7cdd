"""HostStatsTable: what one consumer knows of each host by itself, from its own attempts."""

from collections.abc import Iterator

from taskrunner.domain.host_limit import AppliedLimit
from taskrunner.domain.host_state import HostState

# The weight of the newest attempt in the running mean.
_SMOOTHING = 0.2
# When there are more hosts, those that nothing is under way at are forgotten.
_MANY = 20_000


class HostStats:
    """One host. `in_flight` are attempts from claim to settling, `pending` those about to be claimed.

    `failures` in a row have ended; `tail` is the last moment promised to a task that waits only here.
    `applied` is the limit in force, `state` what the store has of it while there is trouble; `kept` tasks
    wait
    at hand for it, and it is worth asking again from `ask_from` on. A host that is `free` is known to be fast
    and unlimited: nobody has to be asked.
    """

    __slots__ = (
        "applied",
        "ask_from",
        "failures",
        "free",
        "host",
        "in_flight",
        "kept",
        "mean",
        "pending",
        "slow",
        "state",
        "tail",
        "unmeasured",
    )

    def __init__(self, host: str, applied: AppliedLimit | None) -> None:
        self.host = host
        self.applied = applied
        self.state: HostState | None = None
        self.in_flight = 0
        self.pending = 0
        self.failures = 0
        self.tail = 0.0
        self.ask_from = 0.0
        self.kept = 0
        self.mean = 0.0
        self.unmeasured = True
        self.slow = False
        self.free = False

    @property
    def held(self) -> int:
        """What counts against a limit."""
        return self.in_flight + self.pending

    def know(self, *, applied: AppliedLimit | None, state: HostState | None) -> None:
        """What is in force, and the trouble that there is."""
        self.applied = applied
        self.state = state
        self._judge()

    def _judge(self) -> None:
        self.free = not (self.slow or self.unmeasured or self.shared)

    @property
    def shared(self) -> bool:
        """Whether the store has a say in what may start."""
        return self.applied is not None or self.state is not None

    def measure(self, seconds: float, slow: float) -> bool:
        """An attempt has taken, or has been taking, this long. Whether that changed what the host is."""
        self.mean = mean = seconds if self.unmeasured else self.mean + _SMOOTHING * (seconds - self.mean)
        if (mean >= slow) is self.slow and not self.unmeasured:
            return False
        self.unmeasured = False
        self.slow = mean >= slow
        self._judge()
        return True


class HostStatsTable:
    """All hosts of late; `slow` are those among them that are slow."""

    def __init__(self) -> None:
        self._by_host: dict[str, HostStats] = {}
        self.slow: set[HostStats] = set()

    def __iter__(self) -> Iterator[HostStats]:
        return iter(self._by_host.values())

    def find(self, host: str) -> HostStats | None:
        return self._by_host.get(host)

    def add(self, host_stats: HostStats) -> None:
        self._by_host[host_stats.host] = host_stats

    def forget_idle(self) -> None:
        """Make room, if there are many, for those that come."""
        if len(self._by_host) >= _MANY:
            self._by_host = {known.host: known for known in self if known.held or known.state is not None}
            self.slow &= set(self)

    def sort(self, host_stats: HostStats) -> None:
        """Note what a host was measured to be."""
        if host_stats.slow:
            self.slow.add(host_stats)
        else:
            self.slow.discard(host_stats)
