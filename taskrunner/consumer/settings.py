"""The settings of a consumer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.scaling import ScalingSettings
from taskrunner.domain.task import Priority
from taskrunner.domain.timing import HOLD, LEASE

# A full queue slows the others but starves none: low still gets one turn in 21.
WEIGHTS: Mapping[Priority, int] = {Priority.HIGH: 16, Priority.MEDIUM: 4, Priority.LOW: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """`name` must be unique among running processes. `prefetch` is per queue; `lease` and `hold` are seconds.

    `workers` is the most that the consumer will have.
    """

    name: str
    queues: tuple[Priority, ...] = tuple(Priority)
    weights: Mapping[Priority, int] = field(default_factory=lambda: WEIGHTS)
    prefetch: int = 300
    lease: float = LEASE
    hold: float = HOLD
    workers: int = ScalingSettings().max_workers
    host_policy: HostSettings = HostSettings()
    host_limits: Mapping[str, HostLimit] = field(default_factory=dict)
