"""Without any limit, tasks of other hosts get through behind those of a slow one, which loses little."""

import threading
from collections import Counter

import pytest

from taskrunner.domain.events import TaskSettled, TasksSnoozed
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.handlers.base import AttemptContext
from tests.flow.gate_parts import Parts, delivered, make_parts, start
from tests.flow.hosts import FAST, SLOW
from tests.flow.local_runner import DEADLINE, OK, LocalRunner
from tests.tools.waiting import eventually

SLOW_FROM = HostSettings().slow


async def submit_many(runner: LocalRunner, url: str, count: int) -> None:
    limits = runner.task_settings.current.limits
    drafts = [TaskDraft.from_fields({"url": url}, limits) for _ in range(count)]
    await runner.intake.submit_many(list(map(runner.intake.prepare, drafts)))
    await runner.publisher.drain()


def settled_at(runner: LocalRunner, url: str) -> int:
    return sum(event.task.url == url for event in runner.told(TaskSettled))


async def test_fast_tasks_get_through_behind_those_of_a_host_that_hangs(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more wait there than the consumer holds, and none of them ends before all fast ones have."""
    monkeypatch.setattr("taskrunner.consumer.host_gate._NOT_ALONE", 1e9)
    ends = threading.Event()

    def answer(context: AttemptContext) -> Outcome:
        assert context.task.url != SLOW or ends.wait(DEADLINE)
        return OK

    runner.target.answer = answer
    await runner.consumer(workers=4, prefetch=30)
    await runner.submit(FAST)
    await runner.heard(TaskSettled)
    await submit_many(runner, SLOW, 100)
    await submit_many(runner, FAST, 100)

    def has_snoozed() -> bool:
        runner.clock.advance(0.05)
        return bool(runner.told(TasksSnoozed))

    try:
        await eventually(has_snoozed)
        await runner.until(lambda: settled_at(runner, FAST) == 101, "all fast tasks")
        assert settled_at(runner, SLOW) == 0
    finally:
        ends.set()

    async def all_are_due() -> bool:
        page = await runner.store.list_tasks(Status.SCHEDULED, limit=100, cursor=None)
        return all(each.due is not None and each.due <= runner.clock.now() for each in page.items)

    # The host has turned out to be fast: what was snoozed need not come back at the pace of a slow one.
    await eventually(all_are_due)


@pytest.fixture
async def parts(runner: LocalRunner) -> Parts:
    return make_parts(runner)


def wait(parts: Parts, *hosts: str) -> None:
    for waiting in delivered(parts, *hosts):
        parts.backlog.append(waiting)


async def turn(runner: LocalRunner, parts: Parts) -> list[str]:
    """One claim; returns the hosts of what has started."""
    taken = parts.gate.take(parts.pool.room(), parts.pool.total)
    await start(runner, parts, taken)
    return [host_of(each.envelope.task.url or "") for each in taken]


async def test_a_slow_host_is_not_snoozed_while_there_is_room(runner: LocalRunner, parts: Parts) -> None:
    """It has all workers while it is alone, and its other tasks wait here."""
    parts.hosts.measure(parts.hosts.get("slow.test"), 2.0, SLOW_FROM)
    wait(parts, *["slow.test"] * 90)
    assert parts.room_maker.make_room() == []
    assert len(await turn(runner, parts)) == 10
    assert parts.room_maker.make_room() == []
    assert len(parts.backlog) == 80


async def test_an_unmeasured_host_has_half_of_the_workers_while_others_wait(
    runner: LocalRunner, parts: Parts
) -> None:
    wait(parts, *["new.test"] * 50, *["other.test"] * 7)
    started = await turn(runner, parts)
    assert (started.count("new.test"), started.count("other.test")) == (5, 5)


async def test_an_unmeasured_host_has_most_of_the_workers_while_nobody_else_waits(
    runner: LocalRunner, parts: Parts
) -> None:
    wait(parts, *["new.test"] * 50, *["other.test"] * 3)
    started = await turn(runner, parts)
    assert (started.count("new.test"), started.count("other.test")) == (7, 3)


async def test_a_fast_host_leaves_workers_to_others(runner: LocalRunner, parts: Parts) -> None:
    """It may begin to hang, and would have them all then."""
    for name in ("one.test", "two.test"):
        parts.hosts.measure(parts.hosts.get(name), 0.01, SLOW_FROM)
    wait(parts, *["one.test"] * 100)
    parts.pool.resize(8)
    await turn(runner, parts)
    parts.pool.resize(10)
    wait(parts, *["two.test"] * 100)
    assert await turn(runner, parts) == ["two.test"] * 2


async def test_slow_hosts_together_leave_workers_to_fast_ones(runner: LocalRunner, parts: Parts) -> None:
    """Ten of them at once get the share that one would get, and share it."""
    parts.pool.resize(20)
    names = [f"slow-{number}.test" for number in range(10)]
    for name in names:
        parts.hosts.measure(parts.hosts.get(name), 2.0, SLOW_FROM)
    wait(parts, "fast.test")
    await turn(runner, parts)
    wait(parts, *names * 5)
    started = await turn(runner, parts)
    assert len(started) == 18
    assert max(Counter(started).values()) == 2


@pytest.mark.parametrize(("share", "started"), [(1.0, 4), (0.9, 1)])
async def test_a_share_of_all_workers_turns_the_share_of_slow_hosts_off(
    runner: LocalRunner, share: float, started: int
) -> None:
    """Also for those that may turn out to be slow, while tasks of fast hosts wait for a worker."""
    parts = make_parts(runner, host_settings=HostSettings(share=share))
    for name, seconds in (("slow.test", 2.0), ("fast.test", 0.01)):
        parts.hosts.measure(parts.hosts.get(name), seconds, SLOW_FROM)
    wait(parts, "slow.test", *["fast.test"] * 5)
    parts.gate.take(2, 10)
    parts.gate.end_batch()
    silent = parts.hosts.get("silent.test")
    silent.unanswered_checks = 2
    wait(parts, *["silent.test"] * 4)
    taken = parts.gate.take(10, 10)
    assert sum(each.host_stats is silent for each in taken) == started


async def test_an_attempt_that_has_ended_counts_no_more(runner: LocalRunner, parts: Parts) -> None:
    """Its outcome may still have to be stored: that takes no worker."""
    slow = parts.hosts.get("slow.test")
    parts.hosts.measure(slow, 2.0, SLOW_FROM)
    await start(runner, parts, delivered(parts, *["slow.test"] * 10))
    attempt = next(iter(parts.in_flight))
    attempt.outcome = OK
    parts.watch.learn_from(attempt)
    assert (slow.in_flight, slow.workers) == (10, 9)


@pytest.mark.parametrize("limits", [{}, {"*": HostLimit(concurrency=100)}], ids=["free", "limited"])
async def test_what_is_behind_a_full_queue_of_a_slow_host_is_looked_at(
    runner: LocalRunner, limits: dict[str, HostLimit]
) -> None:
    """All but a third of the prefetch are snoozed, to come back at the pace of the host."""
    parts = make_parts(runner, limits)
    slow = parts.hosts.get("slow.test")
    parts.hosts.measure(slow, 2.0, SLOW_FROM)
    await submit_many(runner, "http://slow.test/", 100)
    runner.broker.consume(["medium"], 100, lambda delivery: None)
    await eventually(lambda: runner.broker.is_full("medium"))
    wait(parts, *["slow.test"] * 100)
    snoozes = parts.room_maker.make_room()
    assert len(snoozes) == 67
    assert len(parts.backlog) == slow.waiting == 33
    dues = [each.due.timestamp() for each in snoozes if each.due is not None]
    assert dues == sorted(dues)
    assert dues[0] - runner.clock.now().timestamp() >= 33 * 2.0 / 9
    assert parts.room_maker.make_room() == []
