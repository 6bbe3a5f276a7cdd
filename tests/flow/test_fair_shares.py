"""Who gets how much of the workers, by the simulated clock: fast hosts run, whatever the slow ones do.

Nothing here depends on how fast the machine is: what has run by when is a matter of decisions alone.
"""

import random
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import pytest

from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.tasks.task import Task
from tests.flow.local_runner import LocalRunner
from tests.flow.simulated_consumer import SimulatedConsumer

FAST, SLOW, HANGS = 0.05, 2.0, 30.0
# Tasks of 50 ms that 50 workers could run in a second.
RATE = 1000
# The store is never asked.
pytestmark = pytest.mark.parametrize("runner", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def dice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are spread alike in each run."""
    monkeypatch.setattr("taskrunner.consumer.room_maker.random.random", lambda: 0.5)


def seconds(**by_label: float) -> Callable[[Task], float]:
    """The time of an attempt, by the beginning of the host's name."""

    def of(task: Task) -> float:
        name = host_of(task.url or "")
        return next(value for label, value in by_label.items() if name.startswith(label))

    return of


def names(label: str, hosts: int, tasks: int) -> list[str]:
    """So many tasks for each of the hosts, host after host."""
    return [f"{label}{number}.test" for number in range(hosts) for _ in range(tasks)]


@pytest.mark.parametrize(
    ("hosts", "tasks", "slow"),
    [
        (1, 1000, SLOW),
        (1, 10_000, SLOW),
        (10, 100, SLOW),
        (10, 1000, SLOW),
        (1, 1000, HANGS),
        (1, 10_000, HANGS),
    ],
)
async def test_fast_tasks_run_behind_those_of_slow_hosts(
    runner: LocalRunner, hosts: int, tasks: int, slow: float
) -> None:
    """All thousand of them, while the slow hosts have had only a few of their attempts."""
    consumer = SimulatedConsumer(runner, seconds(slow=slow, fast=FAST))
    consumer.submit(names("slow", hosts, tasks))
    consumer.submit(["fast.test"] * 1000)
    await consumer.run_until(lambda: consumer.ran("fast") >= 1000, at_most=20)
    assert consumer.ran("slow") < 100


@pytest.mark.parametrize("hosts", [1, 10])
async def test_fast_tasks_have_most_of_the_workers_once_slow_attempts_have_ended(
    runner: LocalRunner, hosts: int
) -> None:
    """Those that were under way are not aborted; from then on slow hosts have a tenth."""
    consumer = SimulatedConsumer(runner, seconds(slow=SLOW, fast=FAST))
    consumer.submit(names("slow", hosts, 1000))
    await consumer.run_until(lambda: consumer.ran("slow") >= 100, at_most=60)
    consumer.submit(["fast.test"] * 6000)
    await consumer.run_until(lambda: consumer.ran("fast") >= 2000, at_most=10)
    passed = await consumer.run_until(lambda: consumer.ran("fast") >= 5000, at_most=10)
    assert 3000 / passed >= 0.8 * RATE


@pytest.mark.parametrize("after", [SLOW, HANGS])
async def test_a_host_that_turns_slow_stops_no_other(runner: LocalRunner, after: float) -> None:
    """It had most of the workers while it was fast, and they hang now; the others have the rest."""
    turned = 2000

    def of(task: Task) -> float:
        return FAST if host_of(task.url or "") == "fast.test" or int(task.id[1:]) < turned else after

    consumer = SimulatedConsumer(runner, of)
    consumer.submit(["turns.test", "fast.test"] * 2500)
    await consumer.run_until(lambda: consumer.ran("fast") >= 2500, at_most=60)
    ends = sorted(each.ended for each in consumer.runs if "fast" in (each.task.url or ""))
    assert max(later - one for one, later in pairwise(ends)) < 0.5
    assert consumer.ran("turns") < turned / 2 + 100


async def test_a_host_that_is_fast_again_gets_its_workers_back(runner: LocalRunner) -> None:
    """What was put off while it was slow comes back at once."""
    recovers = runner.clock.monotonic() + 10.0
    consumer = SimulatedConsumer(runner, lambda task: SLOW if runner.clock.monotonic() < recovers else FAST)
    consumer.submit(["recovers.test"] * 5000)
    await consumer.run_until(lambda: runner.clock.monotonic() >= recovers, at_most=20)
    assert consumer.snoozes > 3000
    assert await consumer.run_until(lambda: len(consumer.runs) == 5000, at_most=60) < 12


@pytest.mark.parametrize("every", [None, 10], ids=["all fast", "every tenth slow"])
async def test_no_host_of_a_hundred_waits_much_longer_than_the_others(
    runner: LocalRunner, every: int | None
) -> None:
    """A Zipf distribution: one host has a fifth of the tasks, and many have a few each."""
    dice = random.Random(1)
    hosts = [f"h{number:02}.test" for number in range(100)]
    slow = set() if every is None else set(hosts[5::every])
    consumer = SimulatedConsumer(runner, lambda task: SLOW if host_of(task.url or "") in slow else FAST)
    given = dice.choices(hosts, [1 / (number + 1) for number in range(100)], k=5_000)
    consumer.submit(given)
    fast = sum(host not in slow for host in given)
    await consumer.run_until(
        lambda: sum(host_of(each.task.url or "") not in slow for each in consumer.runs) == fast, at_most=60
    )
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for run in consumer.runs:
        waits[host_of(run.task.url or "")].append(run.began)
    median = sorted(wait for each in waits.values() for wait in each)[len(consumer.runs) // 2]
    for host in {*hosts} - slow:
        assert sorted(waits[host])[int(0.99 * len(waits[host]))] < 3 * median


async def test_two_customers_of_one_host_share_its_workers(runner: LocalRunner) -> None:
    """Of far more tasks than are held at a time, those of the big one come first in the queue."""
    consumer = SimulatedConsumer(runner, lambda task: 0.5)
    consumer.submit(["a.test"] * 10_000, key="big")
    consumer.submit(["a.test"] * 100, key="small")

    def done() -> bool:
        return sum(each.task.fairness_key == "small" for each in consumer.runs) == 100

    await consumer.run_until(done, at_most=20)
    assert len(consumer.runs) < 2000
