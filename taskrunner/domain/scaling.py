"""How many workers there should be: a pure decision over what was measured."""

import math

from taskrunner.domain.value import Value


class ScalingSettings(Value):
    """The settings. `cooldown` and `drain_within` are seconds.

    `drain_within`: as many workers are wanted as could empty what waits within this time.
    """

    min_workers: int = 5
    max_workers: int = 50
    cooldown: float = 30.0
    drain_within: float = 1.0


class Load(Value):
    """What was measured. `depth`: ready in the broker, all queues; `backlog`: delivered here, not started.

    `task_time` is the mean seconds a task has taken of late, None as long as none has finished.
    """

    depth: int
    backlog: int
    busy: int
    task_time: float | None


class Memory(Value):
    """What one decision hands to the next; times are on the monotonic clock.

    While fewer workers would do, `low_since` is when that began and `peak` the most that were wanted since.
    """

    target: int
    low_since: float | None = None
    peak: int = 0


class Decision(Value):
    """The number of workers to have now, and why; `memory` goes into the next call."""

    target: int
    wanted: int
    reason: str
    memory: Memory


# Before anything was measured a task counts as slow, so that a first burst gets its workers at once.
_UNMEASURED_TASK_TIME = 1.0


def plan(bounds: ScalingSettings, load: Load, memory: Memory, now: float) -> Decision:
    """Up at once; down only when fewer would have done for a whole cooldown, and then to the peak of it.

    The target stays within the bounds, and for the same memory and moment it never falls as depth grows.
    """
    wanted = _wanted(bounds, load)
    why = _describe(load)
    if wanted > memory.target:
        return _decision(wanted, wanted, f"up to {wanted}: {why}", Memory(target=wanted))
    if wanted == memory.target:
        return _decision(wanted, wanted, f"stay at {wanted}: {why}", Memory(target=wanted))
    low_since = now if memory.low_since is None else memory.low_since
    peak = max(wanted, memory.peak)
    if now - low_since < bounds.cooldown:
        reason = f"stay at {memory.target} until the cooldown is over, {wanted} would do: {why}"
        return _decision(
            memory.target, wanted, reason, Memory(target=memory.target, low_since=low_since, peak=peak)
        )
    reason = f"down to {peak}, the most wanted for {bounds.cooldown:g} s: {why}"
    return _decision(peak, wanted, reason, Memory(target=peak))


def _wanted(bounds: ScalingSettings, load: Load) -> int:
    waiting = load.depth + load.backlog
    task_time = _UNMEASURED_TASK_TIME if load.task_time is None else load.task_time
    # One more worker than tasks waiting is never of use, however slow they are.
    to_drain = min(waiting, math.ceil(waiting * task_time / bounds.drain_within))
    return max(bounds.min_workers, min(bounds.max_workers, load.busy + to_drain))


def _describe(load: Load) -> str:
    task_time = "unmeasured" if load.task_time is None else f"{load.task_time * 1000:.1f} ms"
    return f"depth {load.depth}, backlog {load.backlog}, busy {load.busy}, task time {task_time}"


def _decision(target: int, wanted: int, reason: str, memory: Memory) -> Decision:
    return Decision(target=target, wanted=wanted, reason=reason, memory=memory)
