"""What processes report: valid for a time, replaced by the next report, and bounded in number."""

from datetime import timedelta
from typing import Any

import pytest

from taskrunner.domain.fleet.figures import Figures
from taskrunner.domain.fleet.worker_report import RunningAttempt, WorkerProcessReport, WorkerReport
from taskrunner.domain.queues.queue import DEFAULT_QUEUES, QueueCounts
from taskrunner.domain.value import replace
from taskrunner.stores.base import AttemptRef, Store, StoredFigures
from tests.contract.stores.harness import NOW, entry, make_task

SECOND = timedelta(seconds=1)
NOW_S = int(NOW.timestamp())
SOON = NOW + 6 * SECOND


def report(name: str = "c-1", **changes: Any) -> WorkerReport:
    made = WorkerReport(
        id=name,
        host="Zoë's",
        pid=7,
        version="1",
        since=NOW,
        reported_at=NOW,
        queues=DEFAULT_QUEUES,
        threads=5,
        busy=2,
        min_threads=5,
        max_threads=50,
        target=6,
        last_decision="a 'reason' \U0001f600",
        backlog=3,
        in_flight=2,
        processes=(WorkerProcessReport(pid=None, losses=1, last_loss="killed by signal 9"),),
        in_memory={"low": QueueCounts(ready=3, consumers=1)},
        running=(
            RunningAttempt(task_id="k~a", attempt=2, queue="low", host="a.test", executor="ship", since=NOW),
        ),
    )
    return replace(made, **changes)


def figures(start: int, count: int, process: str = "c-1", seconds: int = 1) -> StoredFigures:
    counted = Figures(submitted=count, published={"low": count}, durations=(0, count), depth=count, workers=5)
    return StoredFigures(seconds=seconds, start=start, process=process, figures=counted)


async def test_there_may_be_none(store: Store) -> None:
    assert list(await store.worker_reports(now=NOW)) == []
    assert list(await store.figures(seconds=1, first=NOW_S - 600, last=NOW_S)) == []
    assert dict(await store.queued_since(limit=10)) == {}
    await store.report(None, [], now=NOW, until=SOON)


async def test_a_report_is_replaced_by_the_next(store: Store) -> None:
    """Every field; each consumer has one."""
    await store.report(report("b"), [], now=NOW, until=SOON)
    for busy in (1, 2, 2):
        await store.report(report("a", busy=busy), [], now=NOW, until=SOON)
    assert list(await store.worker_reports(now=NOW)) == [report("a", busy=2), report("b")]


async def test_a_report_ends_with_its_time(store: Store) -> None:
    """A consumer that was killed is not shown for ever, and leaves nothing."""
    await store.report(report("dead"), [], now=NOW, until=NOW + SECOND)
    await store.report(report("alive"), [], now=NOW, until=NOW + 9 * SECOND)
    assert [each.id for each in await store.worker_reports(now=NOW + SECOND)] == ["alive"]
    await store.report(report("alive"), [], now=NOW + 2 * SECOND, until=NOW + 9 * SECOND)
    assert [each.id for each in await store.worker_reports(now=NOW)] == ["alive"]


async def test_figures_are_of_a_process_and_a_time(store: Store) -> None:
    """Written again, they are replaced; others stay."""
    first, second = figures(NOW_S, 1), figures(NOW_S + 1, 2)
    other = figures(NOW_S + 1, 3, process="serve:1")
    minute = figures(NOW_S, 9, seconds=60)
    await store.report(None, [first, second, minute], now=NOW, until=SOON)
    await store.report(None, [other], now=NOW, until=SOON)
    await store.report(None, [figures(NOW_S + 1, 2)], now=NOW, until=SOON)

    found = await store.figures(seconds=1, first=NOW_S, last=NOW_S + 5)

    assert sorted(found, key=lambda each: (each.start, each.process)) == [first, second, other]
    assert [each.start for each in found] == [NOW_S, NOW_S + 1, NOW_S + 1]
    assert list(await store.figures(seconds=1, first=NOW_S + 1, last=NOW_S + 1)) != []
    assert list(await store.figures(seconds=60, first=NOW_S, last=NOW_S)) == [minute]


@pytest.mark.parametrize(("seconds", "kept"), [(1, 600), (60, 1440)])
async def test_figures_of_the_whole_time_are_there(store: Store, seconds: int, kept: int) -> None:
    start = NOW_S - NOW_S % seconds
    first = start - (kept - 1) * seconds
    every = [figures(place, 1, seconds=seconds) for place in range(first, start + 1, seconds)]
    for place in range(0, kept, 300):
        await store.report(None, every[place : place + 300], now=NOW, until=SOON)
    found = await store.figures(seconds=seconds, first=first, last=start)
    assert [each.start for each in found] == [each.start for each in every]


async def test_the_first_queued_task_of_each_queue_is_found(store: Store) -> None:
    """Among those that were created first; since it was queued, not since it was created."""
    for place, (task_id, queue) in enumerate([("a", "low"), ("b", "high"), ("c", "low"), ("d", "medium")]):
        created = NOW + place * SECOND
        task = make_task(id=task_id, queue=queue, created_at=created)
        await store.accept([entry(task)])
        if task_id != "d":
            later = created + timedelta(minutes=1)
            await store.mark_queued([AttemptRef(id=task_id, attempt=1)], now=later, due=later)
    minute = timedelta(minutes=1)
    assert dict(await store.queued_since(limit=10)) == {"low": NOW + minute, "high": NOW + minute + SECOND}
    assert dict(await store.queued_since(limit=1)) == {"low": NOW + minute}
