"""Figures add up: one after the other in a process, and over processes at the same time."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.fleet.figures import DURATION_BUCKETS, Figures, at_once, in_sequence

QUEUES = st.dictionaries(st.sampled_from(["high", "medium", "low"]), st.integers(1, 99))
COUNT = st.integers(0, 999)
FIGURES = st.builds(
    Figures,
    submitted=COUNT,
    started=COUNT,
    succeeded=COUNT,
    failed=COUNT,
    retried=COUNT,
    published=QUEUES,
    begun=QUEUES,
    durations=st.one_of(st.just(()), st.tuples(st.integers(1, 9), *[COUNT] * len(DURATION_BUCKETS))),
    depth=st.none() | COUNT,
    workers=st.none() | COUNT,
    sampled_at=st.just(100),
)


@given(before=FIGURES, later=FIGURES)
def test_what_came_after_is_the_difference(before: Figures, later: Figures) -> None:
    """Counted since the start of the process, twice: what lies between is what was counted between."""
    assert in_sequence([before, later]).since(before) == later


@given(several=st.lists(FIGURES, max_size=4))
def test_processes_add_up(several: list[Figures]) -> None:
    """Counts and workers are summed; all see the same queues, so that the depth is not."""
    merged = at_once(several)
    for name in ("submitted", "started", "succeeded", "failed", "retried"):
        assert getattr(merged, name) == sum(getattr(each, name) for each in several)
    assert sum(merged.durations) == sum(sum(each.durations) for each in several)
    depths = [each.depth for each in several if each.depth is not None]
    workers = [each.workers for each in several if each.workers is not None]
    assert merged.depth == max(depths, default=None)
    assert merged.workers == (sum(workers) if workers else None)
    assert at_once(several[::-1]) == merged


@pytest.mark.parametrize(
    ("durations", "share", "expected"),
    [
        ([], 0.5, None),
        ([0.02], 0.5, 0.025),
        ([0.02] * 99 + [40.0], 0.99, 0.025),
        ([0.02] * 99 + [40.0], 1.0, 60.0),
        ([0.02, 9999.0], 0.99, None),
        ([0.005, 0.3], 0.5, 0.005),
    ],
)
def test_percentiles_are_bounds_of_buckets(
    durations: list[float], share: float, expected: float | None
) -> None:
    """Longer than all buckets has no bound."""
    counts = [0] * (len(DURATION_BUCKETS) + 1)
    for each in durations:
        counts[bisect_left(DURATION_BUCKETS, each)] += 1
    assert Figures(durations=tuple(counts)).percentile(share) == expected


def test_a_process_that_was_replaced_has_no_workers() -> None:
    """Within a minute, the one before and the one after a restart are no two; their counts add up."""
    before = Figures(submitted=1, workers=5, depth=900, sampled_at=70)
    after = Figures(submitted=2, workers=6, depth=4, sampled_at=100)
    beside = Figures(submitted=4, workers=7, depth=3, sampled_at=98)
    merged = at_once([before, after, beside])
    assert (merged.submitted, merged.workers, merged.depth, merged.sampled_at) == (7, 13, 4, 100)
