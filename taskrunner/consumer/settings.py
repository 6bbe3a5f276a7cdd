"""ConsumerSettings: the settings of one consumer."""

from collections.abc import Mapping

from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.task import Priority
from taskrunner.domain.value import Value, field


class ConsumerSettings(Value):
    """Durations are seconds.

    `name` stands in claims and leases, so it must be unique among running processes. `hold` is how long the
    relay waits before it looks at an adopted or snoozed task. `workers` is the highest number of workers.
    """

    name: str
    queues: tuple[Priority, ...] = tuple(Priority)
    weights: Mapping[Priority, int]
    prefetch: int
    lease: float
    hold: float
    workers: int
    host_settings: HostSettings = HostSettings()
    host_limits: Mapping[str, HostLimit] = field(default_factory=dict)
