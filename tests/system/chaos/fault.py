"""A fault: what is done to a stage, and what it may cost."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.system.chaos.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`id` is that of `faults.jsonl`, with a letter where one line there is several faults here.

    `inject` returns when the fault is over. `wipes`: it takes records away by itself, so that a task without
    one must only have run. `steady`: the rate before and after can be compared.
    """

    id: str
    inject: Callable[[Stage], None]
    profile: str = "plain"
    wipes: bool = False
    steady: bool = True
    recovers_within: float = 30.0
