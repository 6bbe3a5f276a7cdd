"""Histograms of what a process measures: bounds, labels that stay few, and from when to when."""

from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.events import Events, TaskSettled, TaskStarted
from taskrunner.domain.process_events import RequestAnswered
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.monitor.call_times import CallTimes
from taskrunner.monitor.histogram import OTHERS, Histogram, Histograms
from taskrunner.monitor.loop_lag import LoopLag
from taskrunner.monitor.request_counts import RequestCounts
from taskrunner.monitor.task_times import MAX_QUEUES, TaskTimes

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://a/", timeout=1, max_attempts=3, retry=RetryPolicy(), created_at=NOW)


class MovedClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def sums(histograms: Histograms) -> dict[tuple[str, ...], tuple[int, float]]:
    """How many values there are under each label, and their sum."""
    return {labels: (sum(found.counts), found.sum) for labels, found in histograms}


def test_a_bound_belongs_to_its_bucket() -> None:
    """As Prometheus means `le`: less than or equal."""
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.11, 1.0, 1.01):
        histogram.observe(value)
    assert histogram.cumulative() == [("0.1", 1), ("1", 3), ("+Inf", 4)]


def test_labels_beyond_the_most_are_put_together() -> None:
    histograms = Histograms((1.0,), most=2)
    for name in ("a", "b", "c", "d", "a"):
        histograms.observe((name,), 0.5)
    assert {labels[0]: count for labels, (count, _) in sums(histograms).items()} == {
        "a": 2,
        "b": 1,
        OTHERS: 2,
    }


@pytest.mark.parametrize(
    ("task", "after", "waited"),
    [
        (TASK, 3.0, 3.0),
        (replace(TASK, run_at=NOW + timedelta(seconds=60)), 61.0, 1.0),
        # Another machine's clock is ahead of ours.
        (TASK, -2.0, 0.0),
    ],
)
def test_a_task_waits_from_when_it_is_due(task: Task, after: float, waited: float) -> None:
    clock = MovedClock()
    times = TaskTimes(clock)
    clock.seconds = after
    times.started(TaskStarted(task=task, attempt=1))
    assert sums(times.waits) == {("medium",): (1, waited)}


def test_only_the_first_attempt_waits_and_only_an_end_is_the_end() -> None:
    """A retry waits for its delay, too, and a task that will be retried has not ended."""
    clock = MovedClock()
    times = TaskTimes(clock)
    for number, status in ((1, Status.RETRYING), (2, Status.SUCCEEDED)):
        clock.seconds += 5.0
        times.started(TaskStarted(task=TASK, attempt=number))
        verdict, outcome = Verdict(status=status, reason=""), Outcome(kind=OutcomeKind.OK)
        times.settled(TaskSettled(task=TASK, attempt=number, outcome=outcome, verdict=verdict, elapsed=0.1))
    assert sums(times.waits) == {("medium",): (1, 5.0)}
    assert sums(times.totals) == {("medium",): (1, 10.0)}


def test_messages_cannot_make_endless_labels_of_queues() -> None:
    times = TaskTimes(MovedClock())
    for number in range(3 * MAX_QUEUES):
        times.started(TaskStarted(task=replace(TASK, queue=f"q{number}"), attempt=1))
    assert len(sums(times.waits)) == MAX_QUEUES + 1


def test_requests_without_a_route_are_one() -> None:
    counts = RequestCounts()
    for status in (404, 404, 501):
        counts.add(RequestAnswered(route=None, status=status, elapsed=0.001))
    assert counts.answers() == {(OTHERS, OTHERS, "404"): 2, (OTHERS, OTHERS, "501"): 1}


class Queue:
    """A broker or a store."""

    async def publish(self, batch: list[str]) -> None:
        if not batch:
            raise ConnectionError

    async def take_due(self, *, limit: int) -> list[str]:
        return ["t"] * limit


async def test_calls_are_measured_by_what_they_take_or_answer() -> None:
    calls, queue = CallTimes(), Queue()
    calls.watch("memory", queue, ("publish", "take_due"))
    await queue.publish(["a", "b"])
    assert await queue.take_due(limit=3) == ["t"] * 3
    assert sums(calls.sizes) == {("memory", "publish"): (1, 2.0), ("memory", "take_due"): (1, 3.0)}
    assert {labels: count for labels, (count, _) in sums(calls.seconds).items()} == dict.fromkeys(
        (("memory", "publish"), ("memory", "take_due")), 1
    )


async def test_a_call_that_fails_is_counted_and_raises() -> None:
    calls, queue = CallTimes(), Queue()
    calls.watch("memory", queue, ("publish",))
    with pytest.raises(ConnectionError):
        await queue.publish([])
    assert dict(calls.errors) == {("memory", "publish"): 1}
    assert sums(calls.seconds)["memory", "publish"][0] == 1
    assert sums(calls.sizes) == {}


async def test_the_lag_is_how_late_a_turn_is() -> None:
    clock, lags = MovedClock(), Histogram((0.1, 1.0))
    lag = LoopLag(Events(), clock, lags)
    pause = await lag.turn()
    clock.seconds += pause + 0.25
    await lag.turn()
    assert (lags.counts, lags.sum) == ([0, 1, 0], 0.25)
