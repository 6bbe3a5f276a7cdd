"""AssignedAttempt: an attempt that was handed to the workers of a process."""

import math
from dataclasses import dataclass

from taskrunner.handlers.base import AttemptContext


@dataclass(slots=True, eq=False)
class AssignedAttempt(AttemptContext):
    """What a worker needs to know about an attempt and what it records.

    `started` is the worker's monotonic time, 0 before a worker began. `lease_ends` is on the same clock: no
    worker begins after it, since another consumer may have claimed the task. The owner of the workers sets
    `ended` with the first outcome and drops later ones. `ticket` is the owner's number for the attempt.
    """

    lease_ends: float = math.inf
    started: float = 0.0
    elapsed: float = 0.0
    ended: bool = False
    ticket: int = 0
