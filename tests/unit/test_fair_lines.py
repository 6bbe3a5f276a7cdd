"""Within a queue, hosts take turns by the time of workers that their attempts need."""

from collections import Counter
from collections.abc import Mapping

import pytest

from taskrunner.consumer.fair_lines import FairLines, MayStart
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from tests.unit.test_backlog import anywhere, waiting


def host(name: str, seconds: float | None = None) -> HostStats:
    """Unmeasured unless its attempts take `seconds`."""
    return HostStats(name, None, mean_time=seconds or 0.0, unmeasured=seconds is None)


def at(stats: HostStats, name: str = "t") -> WaitingDelivery:
    delivery = waiting(name)
    delivery.host_stats = stats
    return delivery


def served(lines: FairLines, turns: int, may_start: MayStart = anywhere) -> Counter[str]:
    """How often each host had a turn, its line being filled up again."""
    turns_of: Counter[str] = Counter()
    for _ in range(turns):
        taken = lines.take(may_start)
        lines.end_round()
        assert taken is not None
        turns_of[taken.host_stats.host] += 1
        lines.append(at(taken.host_stats))
    return turns_of


@pytest.mark.parametrize(
    ("seconds", "turns"),
    [
        ({"a": 1.0, "b": 1.0}, {"a": 250, "b": 250}),
        ({"fast": 0.1, "slow": 2.0}, {"fast": 476, "slow": 24}),
        ({"instant": 0.0, "fast": 0.004}, {"instant": 400, "fast": 100}),
        ({f"h{number}": 0.5 for number in range(50)}, {f"h{number}": 10 for number in range(50)}),
    ],
    ids=str,
)
def test_hosts_get_the_same_time_of_workers(seconds: Mapping[str, float], turns: Mapping[str, int]) -> None:
    """Whatever their attempts take, and however many tasks wait: nobody gains by having many."""
    lines = FairLines()
    for place, (name, each) in enumerate(seconds.items()):
        stats = host(name, each)
        for _ in range(1 + 10 * place):
            lines.append(at(stats))
    assert served(lines, 500) == {
        name: pytest.approx(count, abs=1 + count / 20) for name, count in turns.items()
    }


def test_a_few_tasks_need_not_wait_behind_many_of_another_host() -> None:
    lines, crowd, lone = FairLines(), host("crowd.test"), host("lone.test")
    for number in range(1000):
        lines.append(at(crowd, f"crowd-{number}"))
    lines.append(at(lone, "lone"))
    first = [lines.take(anywhere) for _ in range(2)]
    assert "lone" in {each.envelope.task.id for each in first if each is not None}


def test_a_host_where_nothing_waited_saves_up_no_turns() -> None:
    lines, busy, late = FairLines(), host("busy.test", 1.0), host("late.test", 1.0)
    lines.append(at(late))
    lines.append(at(busy))
    lines.take(anywhere)
    served(lines, 100)
    lines.append(at(late))
    lines.append(at(late))
    assert served(lines, 20) == {"busy.test": pytest.approx(10, abs=1), "late.test": pytest.approx(10, abs=1)}


def test_a_host_is_looked_at_once_however_many_of_its_tasks_must_wait() -> None:
    lines, held, other = FairLines(), host("held.test"), host("other.test")
    for number in range(500):
        lines.append(at(held, f"held-{number}"))
    lines.append(at(other, "other"))
    asked: list[HostStats] = []

    def may_start(stats: HostStats) -> bool:
        asked.append(stats)
        return stats is not held

    taken = lines.take(may_start)
    assert taken is not None
    assert taken.envelope.task.id == "other"
    assert lines.take(may_start) is None
    assert asked.count(held) == 1
    lines.end_round()
    assert lines.take(anywhere) is not None


def test_tasks_of_a_host_start_in_their_order() -> None:
    """Also those that were put back, ahead of the others."""
    lines, stats = FairLines(), host("a.test")
    for name in "abcd":
        lines.append(at(stats, name))
    first = [lines.take(anywhere) for _ in range(2)]
    for each in reversed(first):
        assert each is not None
        lines.put_back(each)
    order = [lines.take(anywhere) for _ in range(4)]
    assert [each.envelope.task.id for each in order if each is not None] == list("abcd")
    assert (lines.size, stats.waiting, lines.take(anywhere)) == (0, 0, None)


def test_the_latest_of_a_host_can_be_taken_out() -> None:
    lines, stats = FairLines(), host("a.test")
    for name in "abcde":
        lines.append(at(stats, name))
    assert [each.envelope.task.id for each in lines.take_latest(stats, 2)] == list("cde")
    assert lines.take_latest(stats, 2) == []
    assert (lines.size, stats.waiting) == (2, 2)


def test_new_hosts_keep_nobody_waiting_for_ever() -> None:
    """However many come, each with a task of its own, a host that waits has its turns."""
    lines, waits = FairLines(), host("waits", 0.1)
    for _ in range(20):
        lines.append(at(waits))
    turns = 0
    while waits.waiting:
        lines.append(at(host(f"new{turns}")))
        assert lines.take(anywhere) is not None
        lines.end_round()
        turns += 1
        assert turns < 300  # each turn of the one leaves one more of the others
