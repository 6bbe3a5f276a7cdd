"""The workers that slow hosts may have, and when the tasks come back that get none."""

import pytest

from taskrunner.consumer.slow_hosts import overflow, slow_host_workers
from taskrunner.domain.host_admission import SHORT_WAIT
from taskrunner.domain.host_settings import HostSettings

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("alone", "crowded", "workers"),
    [(True, False, 50), (True, True, 50), (False, False, 45), (False, True, 5)],
)
def test_slow_hosts_have_all_workers_only_while_one_is_alone(
    alone: bool, crowded: bool, workers: int
) -> None:
    """With others about they have their share, and the rest while tasks of fast hosts wait."""
    assert slow_host_workers(50, 0.9, alone=alone, crowded=crowded) == workers


def test_a_share_of_one_never_takes_workers_from_slow_hosts() -> None:
    assert slow_host_workers(50, 1.0, alone=False, crowded=True) == 50


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("workers", [1, 2])
def test_slow_hosts_never_go_without_a_worker(workers: int, share: float, crowded: bool) -> None:
    assert slow_host_workers(workers, share, alone=False, crowded=crowded) >= 1


def test_tasks_whose_turn_is_near_stay_in_the_backlog() -> None:
    """Ten workers of a host that takes 1 s start a task each 0.1 s."""
    queued = overflow(100, 1.0, 10, 0.0, HostSettings(), keep=100, now=NOW, random=0.5)
    assert queued.queued_here == round(SHORT_WAIT / 0.1 + 0.5)
    assert len(queued.dues) == 100 - queued.queued_here
    assert queued.dues == tuple(sorted(queued.dues))
    assert queued.last_due == queued.dues[-1] > NOW


@pytest.mark.parametrize("keep", [0, -3])
def test_a_backlog_without_places_keeps_no_task(keep: int) -> None:
    queued = overflow(5, 1.0, 10, 0.0, HostSettings(), keep=keep, now=NOW, random=0.5)
    assert (queued.queued_here, len(queued.dues)) == (0, 5)


def test_later_tasks_queue_up_behind_earlier_ones() -> None:
    """Each decision begins where the last one ended."""
    first = overflow(5, 2.0, 1, 0.0, HostSettings(), keep=0, now=NOW, random=0.5)
    second = overflow(5, 2.0, 1, first.last_due, HostSettings(), keep=0, now=NOW, random=0.5)
    assert min(second.dues) > max(first.dues)


def test_no_task_waits_for_longer_than_the_longest_wait() -> None:
    policy = HostSettings(longest_wait=10.0)
    queued = overflow(50, 2.0, 1, 0.0, policy, keep=0, now=NOW, random=0.5)
    assert len(queued.dues) == 50
    assert max(queued.dues) <= NOW + 10.0
