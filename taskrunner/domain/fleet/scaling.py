"""Scaling: how many workers there should be, decided from what was measured."""

import math
from enum import StrEnum

from taskrunner.domain.value import Value

# Threads of one consumer; beyond that, another consumer serves better.
MAX_WORKERS = 10_000


class ScalingSettings(Value):
    """The settings. Durations are seconds.

    There are enough workers to empty the queues within `drain_within`.
    """

    min_workers: int = 5
    max_workers: int = 50
    cooldown: float = 30.0
    drain_within: float = 1.0


class Load(Value):
    """The measurements. `depth`: ready in the broker, all queues; `backlog`: delivered here, not started.

    `task_time` is the recent mean duration of a task in seconds, None before the first has finished.
    """

    depth: int
    backlog: int
    busy: int
    task_time: float | None


class ScalingHistory(Value):
    """What one decision passes to the next; times are on the monotonic clock.

    `low_since` is when fewer workers began to be enough, `peak` the most that were needed since.
    """

    target: int
    low_since: float | None = None
    peak: int = 0


class ScalingKind(StrEnum):
    """What a decision does, in one word."""

    UP = "up"
    STAY = "stay"
    COOLDOWN = "cooldown"  # fewer would do, but not for long enough yet
    DOWN = "down"


class ScalingDecision(Value):
    """The number of workers to have now (`target`) and why; `history` goes into the next call."""

    kind: ScalingKind
    target: int
    needed: int
    reason: str
    history: ScalingHistory


# The assumed duration before a task has finished: slow, so that a first burst gets its workers at once.
_UNMEASURED_TASK_TIME = 1.0


def decide(bounds: ScalingSettings, load: Load, history: ScalingHistory, now: float) -> ScalingDecision:
    """Scale up at once; scale down, to the peak of the cooldown, if fewer were enough for all of it.

    The target stays within the bounds. For the same history and time it never falls as depth grows.
    """
    needed = _needed(bounds, load)
    why = _describe(load)
    if needed > history.target:
        return _decision(
            ScalingKind.UP, needed, needed, f"up to {needed}: {why}", ScalingHistory(target=needed)
        )
    if needed == history.target:
        return _decision(
            ScalingKind.STAY, needed, needed, f"stay at {needed}: {why}", ScalingHistory(target=needed)
        )
    low_since = now if history.low_since is None else history.low_since
    peak = max(needed, history.peak)
    if now - low_since < bounds.cooldown:
        reason = f"stay at {history.target} until the cooldown is over, {needed} would do: {why}"
        kept = ScalingHistory(target=history.target, low_since=low_since, peak=peak)
        return _decision(ScalingKind.COOLDOWN, history.target, needed, reason, kept)
    reason = f"down to {peak}, the most needed for {bounds.cooldown:g} s: {why}"
    return _decision(ScalingKind.DOWN, peak, needed, reason, ScalingHistory(target=peak))


def _needed(bounds: ScalingSettings, load: Load) -> int:
    waiting = load.depth + load.backlog
    task_time = _UNMEASURED_TASK_TIME if load.task_time is None else load.task_time
    # More workers than waiting tasks are of no use, however slow the tasks are.
    to_drain = min(waiting, math.ceil(waiting * task_time / bounds.drain_within))
    return max(bounds.min_workers, min(bounds.max_workers, load.busy + to_drain))


def _describe(load: Load) -> str:
    task_time = "unmeasured" if load.task_time is None else f"{load.task_time * 1000:.1f} ms"
    return f"depth {load.depth}, backlog {load.backlog}, busy {load.busy}, task time {task_time}"


def _decision(
    kind: ScalingKind, target: int, needed: int, reason: str, history: ScalingHistory
) -> ScalingDecision:
    return ScalingDecision(kind=kind, target=target, needed=needed, reason=reason, history=history)
