"""ConsumerSettings: the settings of one consumer."""

from collections.abc import Mapping

from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.scaling import ScalingSettings
from taskrunner.domain.timing import HOLD, LEASE
from taskrunner.domain.value import Value, field


class ConsumerSettings(Value):
    """Durations are seconds. `name` stands in claims and leases: it must be unique among running processes.

    `queues` are those to serve, as soon as they are declared; None for all. `hold` is how long the relay
    waits before it looks at an adopted or snoozed task. `prefetch` is per queue, `workers` the highest number
    of workers. `executors` have a handler here.
    """

    name: str
    queues: tuple[str, ...] | None = None
    prefetch: int = 300
    lease: float = LEASE
    hold: float = HOLD
    executors: frozenset[str] = frozenset()
    workers: int = ScalingSettings().max_workers
    host_settings: HostSettings = HostSettings()
    host_limits: Mapping[str, HostLimit] = field(default_factory=dict)
