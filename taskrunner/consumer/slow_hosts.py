"""The workers that slow hosts may have: pure decisions, so that slow hosts do not take all workers."""

import math

from taskrunner.domain.hosts.host_admission import assign_wait_times
from taskrunner.domain.hosts.host_settings import HostSettings


def slow_host_workers(workers: int, share: float, *, alone: bool, crowded: bool) -> int:
    """How many of `workers` all slow hosts together may have: all while a host is `alone`, else `share`.

    While tasks of fast hosts wait for a worker (`crowded`), these get `share` and the slow hosts the rest.
    """
    if share >= 1 or alone:
        return workers
    shared = max(1, math.floor(share * workers))
    return max(1, workers - shared) if crowded else shared


def due_times(
    waiting: int,
    kept: int,
    step: float,
    last_due: float,
    settings: HostSettings,
    *,
    now: float,
    random: float,
) -> tuple[tuple[float, ...], float]:
    """When `waiting` tasks of a slow host come back, and the latest of these times.

    One task starts there each `step` seconds, and `kept` are before them. `random` is in [0, 1).
    """
    return assign_wait_times(
        max(last_due, now + kept * step), step, waiting, settings, now=now, random=random
    )
