"""A drain: a contender works off tasks that were all queued before it started."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.backends import Backends
from harness.child import Child
from harness.contender import Contender
from harness.target import Count, Target

_STALLED_AFTER = 60.0
_LOOK_EVERY = 0.05
_LOOK_AT_THE_END_EVERY = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What one drain showed. `seconds` runs from the first request at the target to the last stored result.

    `curve` has pairs of seconds since the first request and tasks fetched by then.
    """

    contender: str
    tasks: int
    requests: int
    fetched: int
    stored: int
    seconds: float
    peak_rss_bytes: int
    curve: list[tuple[float, int]]

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.stored / self.seconds

    @property
    def is_complete(self) -> bool:
        """Every task was fetched, and every result stored once."""
        return self.fetched == self.stored == self.tasks


def drain(contender: Contender, target: Target, backends: Backends, *, delay: float, tasks: int) -> Drain:
    """Wipe, queue, start the consumer, and watch until every result is stored or nothing moves any more."""
    backends.reset()
    target.reset()
    contender.preload(target.pattern(delay), tasks)
    if early := target.count().requests:
        raise RuntimeError(f"{contender.name} fetched {early} tasks before it was to start")
    with contender.consume() as child:
        return _watch(contender, target, child, tasks)


def _watch(contender: Contender, target: Target, child: Child, tasks: int) -> Drain:
    curve: list[tuple[float, int]] = []

    def fetched() -> int:
        count = target.count()
        if count.requests:
            curve.append((round(time.monotonic() - count.first, 3), count.tasks))
        return count.tasks

    # The contender is not asked while it works: the target tells as much, at no cost to the contender.
    _wait(fetched, tasks, child, _LOOK_EVERY)
    stored = _wait(contender.stored, tasks, child, _LOOK_AT_THE_END_EVERY)
    ended = time.monotonic()
    count: Count = target.count()
    return Drain(
        contender=contender.name,
        tasks=tasks,
        requests=count.requests,
        fetched=count.tasks,
        stored=stored,
        seconds=ended - count.first,
        peak_rss_bytes=child.peak_rss_bytes(),
        curve=curve,
    )


def _wait(look: Callable[[], int], wanted: int, child: Child, every: float) -> int:
    """Look until `wanted` is reached, or until a minute brings nothing new; the number seen last."""
    seen, moved = look(), time.monotonic()
    while seen < wanted and time.monotonic() - moved < _STALLED_AFTER:
        child.check()
        child.peak_rss_bytes()
        time.sleep(every)
        if (now := look()) != seen:
            seen, moved = now, time.monotonic()
    return seen
