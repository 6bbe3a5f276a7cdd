"""A assigned: an attempt in the hands of the workers, in whatever process these are."""

import math
from dataclasses import dataclass

from taskrunner.handlers.base import AttemptContext


@dataclass(slots=True, eq=False)
class AssignedAttempt:
    """What a worker needs of an attempt, and what it notes on it.

    `started` is the worker's monotonic time, 0 while no worker has taken it up. `lease_ends` is on the same
    clock: from then on the task may be another consumer's, so a worker must not begin it. `ended` is set by
    the workers' owner with the first outcome that counts; a later one is dropped. `ticket` is the owner's
    name for it.
    """

    context: AttemptContext
    lease_ends: float = math.inf
    started: float = 0.0
    elapsed: float = 0.0
    ended: bool = False
    ticket: int = 0
