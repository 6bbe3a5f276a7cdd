"""ConsumerSettings: the settings of one consumer."""

from collections.abc import Mapping

from taskrunner.domain.fleet.scaling import ScalingSettings
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.timing import HOLD, LEASE
from taskrunner.domain.value import Value, field

# It is a short unsigned integer (AMQP 0-9-1, basic.qos).
MAX_PREFETCH = 65_535
# Up to three attempts of a worker are claimed and not yet acknowledged; as many wait for their turn.
_HELD_PER_WORKER = 6
# What is held must last until the broker has heard of acknowledgements, also where tasks take no time.
_LEAST_HELD = 300


class ConsumerSettings(Value):
    """Durations are seconds. `name` stands in claims and leases: it must be unique among running processes.

    `queues` are those to serve, as soon as they are declared; None for all. `hold` is how long the relay
    waits before it looks at an adopted or snoozed task. `prefetch` is per queue, 0 has it follow `workers`,
    the highest number of workers. `executors` have a handler here.
    """

    name: str
    queues: tuple[str, ...] | None = None
    prefetch: int = 0
    lease: float = LEASE
    hold: float = HOLD
    executors: frozenset[str] = frozenset()
    workers: int = ScalingSettings().max_workers
    host_settings: HostSettings = HostSettings()
    host_limits: Mapping[str, HostLimit] = field(default_factory=dict)

    @property
    def held_per_queue(self) -> int:
        """The prefetch in force."""
        return self.prefetch or min(MAX_PREFETCH, max(_LEAST_HELD, _HELD_PER_WORKER * self.workers))
