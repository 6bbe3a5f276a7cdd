"""The workers that slow hosts may have: pure decisions, so that slow hosts do not take all workers."""

import math

from taskrunner.domain.host_admission import SHORT_WAIT, assign_wait_times
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.value import Value


class Overflow(Value):
    """What becomes of a slow host's tasks that get no worker here: the first `queued_here` stay in the
    backlog, the others are snoozed until `dues`, and `last_due` is remembered for the next decision.
    """

    queued_here: int
    dues: tuple[float, ...]
    last_due: float


def slow_host_workers(workers: int, share: float, *, alone: bool, crowded: bool) -> int:
    """How many of `workers` all slow hosts together may have: all while a host is `alone`, else `share`.

    While tasks of fast hosts wait for a worker (`crowded`), these get `share` and the slow hosts the rest.
    """
    if share >= 1 or alone:
        return workers
    shared = max(1, math.floor(share * workers))
    return max(1, workers - shared) if crowded else shared


def overflow(
    waiting: int,
    mean_time: float,
    slow_workers: int,
    last_due: float,
    settings: HostSettings,
    *,
    keep: int,
    now: float,
    random: float,
) -> Overflow:
    """Queue up `waiting` tasks of a slow host; at most `keep` of them may stay in the backlog.

    Tasks whose turn comes within `SHORT_WAIT` stay, since a snooze takes as long. `random` is in [0, 1).
    """
    step = mean_time / slow_workers
    near = min(waiting, max(0, keep), math.ceil(SHORT_WAIT / step))
    dues, last_due = assign_wait_times(last_due, step, waiting - near, settings, now=now, random=random)
    return Overflow(queued_here=near, dues=dues, last_due=last_due)
