"""The backlog takes from queues by weight and discards deliveries that the broker has requeued."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.envelope import Envelope
from taskrunner.domain.tasks.task import Task

WEIGHTS = {"high": 16, "medium": 4, "low": 1}


def waiting(name: str, queue: str = "medium", epoch: int = 1) -> WaitingDelivery:
    task = Task(
        id=name,
        url="http://localhost/",
        queue=queue,
        timeout=1,
        max_attempts=1,
        retry=RetryPolicy(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    delivery = Delivery(b"", queue, redelivered=False, message_id=None, tag=1, epoch=epoch)
    return WaitingDelivery(Envelope(attempt=1, task=task), delivery)


def anywhere(stats: HostStats) -> bool:
    """Attempts may start at every host."""
    return True


def names(taken: list[WaitingDelivery]) -> list[str]:
    return [item.envelope.task.id for item in taken]


def test_one_queue_is_first_in_first_out() -> None:
    """Within a queue the order of arrival is kept."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    for name in "abc":
        backlog.append(waiting(name))
    assert names(backlog.take(2, anywhere)) == ["a", "b"]
    assert names(backlog.take(2, anywhere)) == ["c"]
    assert len(backlog) == 0


def test_queues_share_by_weight_and_none_starves() -> None:
    """Of 21 taken from full queues 16 are high, 4 medium and 1 low."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    for number in range(50):
        for queue in DEFAULT_QUEUES:
            backlog.append(waiting(f"{queue}-{number}", queue))
    queues = [item.delivery.queue for item in backlog.take(21, anywhere)]
    assert {queue: queues.count(queue) for queue in DEFAULT_QUEUES} == WEIGHTS


@pytest.mark.parametrize(
    "weights",
    [
        {"high": 6, "medium": 3, "low": 1, "reports": 1},
        {"high": 100, "low": 1},
        {"a": 7, "b": 5, "c": 3, "d": 2},
        {f"q{number}": number + 1 for number in range(20)},
        {"a": 1, "b": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize(("batch", "ahead"), [(1, 0), (1, 20), (7, 20), (20, 500)])
def test_weights_are_held_while_all_queues_are_full(weights: dict[str, int], batch: int, ahead: int) -> None:
    """Whatever is taken at once, and whatever of it is put back, as the host gate does that looks ahead."""
    backlog, turns = Backlog(weights, HostStatsTable().of), 20 * sum(weights.values())
    for queue in weights:
        for _ in range(batch + ahead + 1):
            backlog.append(waiting("x", queue))
    served: Counter[str] = Counter()
    while served.total() < turns:
        taken = backlog.take(batch + ahead, anywhere)
        backlog.put_back(taken[batch:])
        for item in taken[:batch]:
            served[item.delivery.queue] += 1
            backlog.append(waiting("x", item.delivery.queue))
    for queue, weight in weights.items():
        expected = served.total() * weight / sum(weights.values())
        assert served[queue] == pytest.approx(expected, rel=0.1), served


def test_an_idle_queue_saves_up_no_turns() -> None:
    """Nor does it lose any: once it has tasks, it shares by its weight from then on."""
    backlog = Backlog({"low": 1, "high": 1}, HostStatsTable().of)
    for _ in range(500):
        backlog.append(waiting("x", "low"))
        backlog.take(1, anywhere)
    for _ in range(100):
        backlog.append(waiting("x", "low"))
        backlog.append(waiting("x", "high"))
    queues = [item.delivery.queue for item in backlog.take(100, anywhere)]
    assert 49 <= queues.count("high") <= 51


def test_weights_may_change() -> None:
    backlog = Backlog({"a": 1, "b": 1}, HostStatsTable().of)
    for _ in range(200):
        backlog.append(waiting("x", "a"))
        backlog.append(waiting("x", "b"))
    backlog.take(50, anywhere)
    backlog.weights = {"a": 4}
    queues = [item.delivery.queue for item in backlog.take(100, anywhere)]
    assert queues.count("a") == pytest.approx(80, abs=2)


def test_put_back_keeps_the_order_ahead_of_newcomers() -> None:
    """A batch whose claim failed comes before later deliveries."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    for name in "abcd":
        backlog.append(waiting(name))
    batch = backlog.take(3, anywhere)
    backlog.append(waiting("e"))
    backlog.put_back(batch)
    assert names(backlog.take(9, anywhere)) == list("abcde")


@pytest.mark.parametrize("count", [0, -3])
def test_taking_nothing_takes_nothing(count: int) -> None:
    """A pool without room, or with negative room, gets nothing."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    backlog.append(waiting("a"))
    assert backlog.take(count, anywhere) == []
    assert len(backlog) == 1


def test_deliveries_of_an_earlier_connection_are_discarded() -> None:
    """After a reconnect the broker sends them again, so keeping them would only grow the backlog."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    backlog.append(waiting("old", "high", epoch=1))
    backlog.append(waiting("new", "high", epoch=4))
    backlog.discard_older("high", 4)
    assert names(backlog.take(9, anywhere)) == ["new"]


def test_an_epoch_of_one_queue_says_nothing_about_another() -> None:
    """Each queue is its own subscription; the broker would not send a wrongly discarded delivery again."""
    backlog = Backlog(WEIGHTS, HostStatsTable().of)
    backlog.append(waiting("high", "high", epoch=1))
    backlog.append(waiting("low", "low", epoch=3))
    backlog.discard_older("low", 3)
    assert sorted(names(backlog.take(9, anywhere))) == ["high", "low"]
