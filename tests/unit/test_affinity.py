"""Short tasks stay on one processor, others get all; a crowded processor is left."""

import pytest

from taskrunner.consumer.affinity import Sample, choose

ALL = frozenset({0, 1, 2, 3})
START = Sample(moment=0.0, used=0.0, finished=0, idle=dict.fromkeys(ALL, 0.0))


def after(used: float, finished: int, *idle: float) -> Sample:
    """One second later."""
    return Sample(moment=1.0, used=used, finished=finished, idle=dict(enumerate(idle)))


def test_short_tasks_go_to_the_idlest_processor() -> None:
    """A consumer that is busy with short tasks is bound."""
    chosen = choose(START, after(0.9, 2000, 0.1, 0.2, 0.7, 0.3), allowed=ALL, current=ALL)
    assert chosen == {2}


def test_tasks_count_as_short_until_some_were_seen() -> None:
    """A consumer that starts with a backlog is bound within its first half second."""
    assert choose(START, after(0.0, 0, 0.1, 0.9, 0.7, 0.3), allowed=ALL, current=None) == {1}


def test_tasks_that_compute_get_all_processors() -> None:
    """TLS handshakes do not hold the interpreter lock."""
    assert choose(START, after(1.0, 500, 0, 0, 0, 0), allowed=ALL, current=frozenset({1})) == ALL


@pytest.mark.parametrize(("used", "finished"), [(0.1, 300), (0.0, 0), (0.9, 0)])
@pytest.mark.parametrize("current", [ALL, frozenset({1})])
def test_nothing_changes_where_there_is_nothing_to_gain(
    used: float, finished: int, current: frozenset[int]
) -> None:
    """An idle consumer, and one whose tasks have not ended, stay where they are."""
    assert choose(START, after(used, finished, 1, 1, 1, 1), allowed=ALL, current=current) == current


def test_our_own_use_does_not_make_us_move() -> None:
    """A processor that only we use is not crowded."""
    assert choose(START, after(0.95, 3000, 0.9, 0.05, 0.9, 0.9), allowed=ALL, current=frozenset({1})) == {1}


def test_a_crowded_processor_is_left_for_a_free_one() -> None:
    """Another process took half of it, and another processor is free."""
    assert choose(START, after(0.5, 1500, 0.9, 0.0, 0.2, 0.2), allowed=ALL, current=frozenset({1})) == {0}


def test_there_is_no_move_where_all_are_crowded() -> None:
    """A move would only lose the caches."""
    assert choose(START, after(0.5, 1500, 0.3, 0.0, 0.2, 0.2), allowed=ALL, current=frozenset({1})) == {1}


@pytest.mark.parametrize(("used_by_others", "chosen"), [(0.0, {0}), (0.9, {1})])
def test_a_processor_that_two_processes_are_bound_to_is_left_where_it_is_crowded(
    used_by_others: float, chosen: set[int]
) -> None:
    """With fewer processors than processes, two may be bound to the same one."""
    share = 0.95 - used_by_others
    samples = after(max(0.35, share), 3000, 0.05, 0.95)
    assert choose(START, samples, allowed=frozenset({1}), current=frozenset({0})) == chosen


def test_only_allowed_processors_are_chosen() -> None:
    """A container's set of processors is a bound."""
    chosen = choose(
        START, after(0.9, 2000, 0.9, 0.1, 0.2, 0.9), allowed=frozenset({1, 2}), current=frozenset({1, 2})
    )
    assert chosen == {2}
