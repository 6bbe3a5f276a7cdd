"""The workers that slow hosts may have, and when the tasks come back that get none."""

import pytest

from taskrunner.consumer.slow_hosts import due_times, slow_host_workers
from taskrunner.domain.hosts.host_settings import HostSettings

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


def test_tasks_come_back_at_the_pace_of_their_host() -> None:
    """One starts each 0.1 s, and those that are kept here begin before."""
    dues, last = due_times(100, 20, 0.1, 0.0, HostSettings(), now=NOW, random=0.5)
    assert len(dues) == 100
    assert dues == tuple(sorted(dues))
    assert dues[0] >= NOW + 20 * 0.1
    assert dues[-1] == last == pytest.approx(NOW + 12.0, abs=2.0)


def test_later_tasks_queue_up_behind_earlier_ones() -> None:
    """Each decision begins where the last one ended."""
    first, last = due_times(5, 0, 2.0, 0.0, HostSettings(), now=NOW, random=0.5)
    second, _ = due_times(5, 0, 2.0, last, HostSettings(), now=NOW, random=0.5)
    assert min(second) > max(first)


def test_no_task_waits_for_longer_than_the_longest_wait() -> None:
    dues, _ = due_times(50, 0, 2.0, 0.0, HostSettings(longest_wait=10.0), now=NOW, random=0.5)
    assert len(dues) == 50
    assert max(dues) <= NOW + 10.0
