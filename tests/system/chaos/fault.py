"""A fault: what is done to a stage, and what it may cost."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.system.chaos.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`id` is that of `faults.jsonl`, with a letter where one line there is several faults here.

    `inject` returns when the fault is over. `steady`: the rate before and after can be compared. `wipes`: it
    takes records away, so that a task without one must only have run, and what waits in the store alone,
    delayed or for another attempt, is gone with it.
    """

    id: str
    inject: Callable[[Stage], None]
    profile: str = "plain"
    wipes: bool = False
    steady: bool = True
    recovers_within: float = 30.0
