"""An attempt between its claim and its ack."""

import math
from dataclasses import dataclass, field
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.domain.outcome import Outcome
from taskrunner.handlers.base import Attempting


@dataclass(slots=True, eq=False)
class Running:
    """A claimed attempt: what the worker gets, and what settling it will need.

    `started` is the worker's monotonic time, 0 while no worker has taken it up. `lease_ends` is on the same
    clock: from then on the task may be another consumer's, so a worker must not begin it. `ended` is set by
    the event loop with the first outcome that counts; a later one is dropped.
    """

    attempting: Attempting
    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    lease_ends: float = math.inf
    started: float = 0.0
    elapsed: float = 0.0
    ended: bool = field(default=False)

    @property
    def key(self) -> tuple[str, int]:
        return self.attempting.task.id, self.attempting.number


@dataclass(slots=True, eq=False)
class Finished:
    """A running attempt with its outcome, ready to be judged and settled."""

    running: Running
    outcome: Outcome
