"""Tasks of different fairness keys take turns, whatever hosts they are for."""

from collections import Counter

import pytest

from taskrunner.consumer.fair_lines import FairLines
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.tasks.submitter import MARK
from taskrunner.domain.value import replace
from tests.unit.test_backlog import anywhere
from tests.unit.test_fair_lines import at, host


def of(key: str | None, stats: HostStats, name: str = "t") -> WaitingDelivery:
    waiting = at(stats, name)
    envelope = waiting.envelope
    waiting.envelope = replace(envelope, task=replace(envelope.task, fairness_key=key))
    return waiting


def keys(lines: FairLines, turns: int) -> Counter[str | None]:
    taken = [lines.take(anywhere) for _ in range(turns)]
    lines.end_round()
    return Counter(None if each is None else each.envelope.task.fairness_key for each in taken)


def test_customers_of_one_host_take_turns() -> None:
    """Ten tasks of one do not wait behind a thousand of another."""
    lines, stats = FairLines(), host("a.test", 0.1)
    for _ in range(1000):
        lines.append(of("big", stats))
    for _ in range(10):
        lines.append(of("small", stats))
    assert keys(lines, 21)["small"] == 10
    assert lines.size == stats.waiting == 989


def test_isolated_submitters_share_no_key() -> None:
    """Whatever names they give to their customers; one of them needs no knowledge of the others."""
    lines, stats = FairLines(), host("a.test", 0.1)
    for _ in range(100):
        lines.append(of("customer-1", stats, f"one{MARK}t"))
    for _ in range(10):
        lines.append(of("customer-1", stats, f"two{MARK}t"))
    taken = [each.envelope.task.id for each in (lines.take(anywhere) for _ in range(21)) if each]
    assert taken.count(f"two{MARK}t") == 10


def test_a_customer_with_many_hosts_has_no_more_than_one_with_one() -> None:
    lines = FairLines()
    for number in range(50):
        stats = host(f"h{number}.test", 0.1)
        for _ in range(10):
            lines.append(of("many", stats))
    only = host("only.test", 0.1)
    for _ in range(100):
        lines.append(of("one", only))
    assert keys(lines, 100) == {"many": pytest.approx(50, abs=1), "one": pytest.approx(50, abs=1)}


def test_a_key_takes_turns_with_hosts() -> None:
    lines, keyed, plain = FairLines(), host("keyed.test", 0.1), host("plain.test", 0.1)
    for _ in range(100):
        lines.append(of("k", keyed))
        lines.append(of(None, plain))
    assert keys(lines, 50) == {"k": pytest.approx(25, abs=1), None: pytest.approx(25, abs=1)}


def test_hosts_of_a_key_take_turns_and_none_holds_up_the_others() -> None:
    """A host that may start nothing is asked once in a round, however many tasks its key has there."""
    lines, held, free = FairLines(), host("held.test", 2.0), host("free.test", 0.1)
    for number in range(50):
        lines.append(of("k", held, f"held-{number}"))
    for number in range(50):
        lines.append(of("k", free, f"free-{number}"))
    asked: Counter[str] = Counter()

    def may_start(stats: HostStats) -> bool:
        asked[stats.host] += 1
        return stats is free

    taken = [lines.take(may_start) for _ in range(51)]
    assert [each.envelope.task.id for each in taken if each] == [f"free-{number}" for number in range(50)]
    assert asked == {"held.test": 1, "free.test": 50}
    lines.end_round()
    assert (lines.size, held.waiting, free.waiting) == (50, 50, 0)
    assert keys(lines, 50) == {"k": 50}


def test_a_key_whose_hosts_may_start_nothing_loses_no_turns() -> None:
    """However often they are asked, and whatever their attempts cost."""
    lines, one = FairLines(), host("one.test", 0.1)
    several = [host(f"takes-{cost}.test", cost) for cost in (0.1, 2.0, 5.0)]
    for _ in range(20):
        lines.append(of("one", one))
        for stats in several:
            lines.append(of("several", stats))
    for _ in range(100):
        assert lines.take(lambda stats: False) is None
        lines.end_round()
    assert keys(lines, 4)["several"] >= 1


@pytest.mark.parametrize("waiting", [1, 10])
@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_a_host_that_is_held_takes_no_turns_from_its_key(waiting: int, seconds: float) -> None:
    """What another host of the key has had counts, even if nothing else waited there."""
    lines, held = FairLines(), host("held.test", seconds)
    free, other = host("free.test", 0.1), host("other.test", 0.1)
    for _ in range(waiting):
        lines.append(of("two hosts", held))
        lines.append(of("two hosts", free))
        lines.append(of("one", other))
    turns: Counter[str | None] = Counter()
    for _ in range(200):
        taken = lines.take(lambda stats: stats is not held)
        lines.end_round()
        assert taken is not None
        turns[taken.envelope.task.fairness_key] += 1
        lines.append(taken)
    assert turns["two hosts"] == pytest.approx(100, abs=15)


def test_all_that_waits_for_a_host_can_be_taken_out_of_every_key() -> None:
    """Each key keeps its part of what is kept."""
    lines, stats, other = FairLines(), host("a.test"), host("b.test")
    for key in ("x", "y", None):
        for number in range(5):
            lines.append(of(key, stats, f"{key}{number}"))
    lines.append(of("x", other, "other"))
    assert len(lines.take_latest(stats, 6)) == 9
    assert stats.waiting == 6
    assert len(lines.take_latest(stats)) == 6
    assert [each.envelope.task.id for each in lines.take_all()] == ["other"]
    assert (lines.size, list(lines.hosts)) == (0, [])


def test_as_many_are_kept_with_more_keys_or_hosts_than_tasks_to_keep() -> None:
    """The first ones keep a task each."""
    lines, shared, hosts = FairLines(), host("shared.test"), [host(f"h{number}.test") for number in range(20)]
    for number in range(20):
        lines.append(of(f"k{number}", shared))
    assert len(lines.take_latest(shared, 6)) == 14
    for stats in hosts:
        lines.append(of("many hosts", stats))
        lines.append(of("many hosts", stats))
    assert len(lines.take_latest_of_key(("", "many hosts"), 6)) == 34


def test_what_is_put_back_goes_ahead_of_its_key_and_host() -> None:
    lines, one, two = FairLines(), host("one.test", 0.1), host("two.test", 0.1)
    for number in range(3):
        lines.append(of("k", one, f"one-{number}"))
        lines.append(of("k", two, f"two-{number}"))
    first = [each for each in (lines.take(anywhere) for _ in range(4)) if each]
    for each in reversed(first):
        lines.put_back(each)
    order = [each.envelope.task.id for each in (lines.take(anywhere) for _ in range(6)) if each]
    assert [each for each in order if "one" in each] == ["one-0", "one-1", "one-2"]
    assert [each for each in order if "two" in each] == ["two-0", "two-1", "two-2"]


@pytest.mark.parametrize("key", [None, "k"])
def test_lines_that_are_gone_leave_nothing_behind(key: str | None) -> None:
    """However often what waits is taken out, or put back, before it has had a turn."""
    lines, costly = FairLines(), host("costly.test", 1e6)
    for _ in range(2000):
        lines.append(of(key, costly))
        lines.take_latest(costly)
        lines.append(of(key, host("new.test")))
        waiting = lines.take(anywhere)
        assert waiting is not None
        waiting.is_charged = True
        lines.put_back(waiting)
        assert lines.take(anywhere) is waiting
    assert len(lines._order) < 300
    assert not lines._keyed
