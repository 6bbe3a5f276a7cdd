"""Figures: what happened in a second or a minute. Those of several processes, or seconds, add up."""

from collections.abc import Iterable, Mapping, Sequence

from taskrunner.domain.value import Value, field

# Seconds; from a local target to the longest timeout that a task may have.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
SECOND, MINUTE = 1, 60
# How many of each resolution are kept.
KEPT: Mapping[int, int] = {SECOND: 600, MINUTE: 1440}
# Seconds by which the last samples of processes that run may differ.
_LATE = 5


class Figures(Value):
    """Counts of events; `durations` are attempts per bucket, the last for those longer than all.

    `published` and `begun` are counts per queue: what came into it and went out. `depth` (ready messages) and
    `workers` are as they were at `sampled_at`, in seconds since 1970; None where the process does not know.
    """

    submitted: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    published: Mapping[str, int] = field(default_factory=dict)
    begun: Mapping[str, int] = field(default_factory=dict)
    durations: tuple[int, ...] = ()
    depth: int | None = None
    workers: int | None = None
    sampled_at: int = 0

    def since(self, before: "Figures") -> "Figures":
        """What was counted after `before`, of the same process."""
        return Figures(
            submitted=self.submitted - before.submitted,
            started=self.started - before.started,
            succeeded=self.succeeded - before.succeeded,
            failed=self.failed - before.failed,
            retried=self.retried - before.retried,
            published=_sum([self.published], minus=before.published),
            begun=_sum([self.begun], minus=before.begun),
            durations=_per_bucket([self.durations], minus=before.durations),
            depth=self.depth,
            workers=self.workers,
            sampled_at=self.sampled_at,
        )

    def percentile(self, share: float) -> float | None:
        """The upper bound of the bucket that this share of the attempts does not exceed, in seconds.

        None without attempts, and for what is longer than all buckets.
        """
        total = sum(self.durations)
        reached = 0
        for bound, count in zip(DURATION_BUCKETS, self.durations, strict=False):
            reached += count
            if total and reached >= share * total:
                return bound
        return None


def in_sequence(several: Sequence[Figures]) -> Figures:
    """Those of one process, one after the other."""
    last = several[-1] if several else Figures()
    return _added(several, depth=last.depth, workers=last.workers)


def at_once(several: Sequence[Figures]) -> Figures:
    """Those of several processes at the same time. All see the same queues, and each has its own workers.

    A process that ended before the others, such as one that was replaced, has no workers any more.
    """
    latest = max((each.sampled_at for each in several), default=0)
    present = [each for each in several if each.sampled_at >= latest - _LATE]
    depths = [each.depth for each in present if each.depth is not None]
    workers = [each.workers for each in present if each.workers is not None]
    return _added(several, depth=max(depths) if depths else None, workers=sum(workers) if workers else None)


def _added(several: Sequence[Figures], *, depth: int | None, workers: int | None) -> Figures:
    return Figures(
        submitted=sum(each.submitted for each in several),
        started=sum(each.started for each in several),
        succeeded=sum(each.succeeded for each in several),
        failed=sum(each.failed for each in several),
        retried=sum(each.retried for each in several),
        published=_sum(each.published for each in several),
        begun=_sum(each.begun for each in several),
        durations=_per_bucket(each.durations for each in several),
        depth=depth,
        workers=workers,
        sampled_at=max((each.sampled_at for each in several), default=0),
    )


def _sum(several: Iterable[Mapping[str, int]], minus: Mapping[str, int] | None = None) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in several:
        for name, count in each.items():
            found[name] = found.get(name, 0) + count
    for name, count in (minus or {}).items():
        found[name] = found.get(name, 0) - count
    return {name: count for name, count in found.items() if count}


def _per_bucket(several: Iterable[tuple[int, ...]], minus: tuple[int, ...] = ()) -> tuple[int, ...]:
    found = [0] * (len(DURATION_BUCKETS) + 1)
    for each in several:
        for place, count in enumerate(each):
            found[place] += count
    for place, count in enumerate(minus):
        found[place] -= count
    return tuple(found) if any(found) else ()
