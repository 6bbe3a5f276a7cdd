"""An attempt between its claim and its ack."""

import math
from dataclasses import dataclass
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.tally import Tally
from taskrunner.domain.outcome import Outcome
from taskrunner.handlers.base import Attempting


@dataclass(slots=True, eq=False)
class Stint:
    """What a worker needs of an attempt, and what it notes on it.

    `started` is the worker's monotonic time, 0 while no worker has taken it up. `lease_ends` is on the same
    clock: from then on the task may be another consumer's, so a worker must not begin it. `ended` is set by
    the workers' owner with the first outcome that counts; a later one is dropped. `ticket` is the owner's
    name for it.
    """

    attempting: Attempting
    lease_ends: float = math.inf
    started: float = 0.0
    elapsed: float = 0.0
    ended: bool = False
    ticket: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Running(Stint):
    """A claimed attempt: what the worker gets, and what settling it will need."""

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    tally: Tally | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.attempting.task.id, self.attempting.number


@dataclass(slots=True, eq=False)
class Finished:
    """A running attempt with its outcome, ready to be judged and settled."""

    running: Running
    outcome: Outcome
