"""Hosts get no more attempts than they may or can take, and tasks that wait take no other task's place."""

from datetime import timedelta
from itertools import pairwise

import pytest

from taskrunner.domain.events import TaskSettled
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HeldSlots, decode_state
from taskrunner.domain.process_events import HostLimitsChanged
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.flow.hosts import FAST, SLOW, pass_time, snoozed, start_consumer, store_state
from tests.flow.local_runner import DEADLINE, LEASE, LocalRunner
from tests.tools.severed import Cut, severable


async def test_a_host_gets_no_more_attempts_at_a_time_than_its_limit(runner: LocalRunner) -> None:
    """Waiting tasks are snoozed without an attempt, with the reason; other hosts are served."""
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=2))
    for number in range(5):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 3)
    await runner.submit(FAST, id="fast")
    await runner.until_runs(3)
    assert {task_id for task_id, _ in runner.target.ledger} == {"slow-0", "slow-1", "fast"}
    record = await runner.record("slow-4")
    assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 0, 1)
    assert record.waits_for == "slow.test: concurrency limit"
    assert record.due is not None
    assert record.due > runner.clock.now()
    runner.target.gate.set()
    await runner.heard(TaskSettled, 3)
    await pass_time(runner, 20, 5)
    assert all(event.verdict.status is Status.SUCCEEDED for event in runner.told(TaskSettled))


async def test_a_limit_holds_across_consumers(runner: LocalRunner) -> None:
    """Two consumers together have no more attempts in flight than the limit."""
    runner.target.gate.clear()
    for _ in range(2):
        await start_consumer(runner, slow=HostLimit(concurrency=3))
    for number in range(12):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 9)
    await runner.until_runs(3)
    assert sum(consumer.in_flight for consumer in runner.consumers) == 3


async def test_a_limit_holds_after_an_unexpected_fault(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task of the batch is then claimed alone, and its host still asked."""
    runner.target.gate.clear()

    async def fail_once(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise ValueError("a fault of ours")

    await store_state(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    monkeypatch.setattr(runner.store, "write_hosts", fail_once)
    await runner.consumer(host_limits={"slow.test": HostLimit(concurrency=1)})
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1


async def test_places_of_a_dead_consumer_are_free_in_time(runner: LocalRunner) -> None:
    """Their leases end, and another consumer takes them."""
    lease = runner.clock.now() + timedelta(seconds=30)
    await store_state(runner, slots={"ghost": HeldSlots(held=1, until=lease.timestamp())})
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="second")
    await snoozed(runner, 1)
    assert runner.target.ledger == []
    await runner.later(31)
    await runner.heard(TaskSettled)
    assert runner.target.runs("second") == 1


async def test_an_unreadable_limit_is_ignored(runner: LocalRunner) -> None:
    """A limit of another version stops no consumer, and the other limits hold."""
    await runner.store.change_host_limit("*.test", b'{"moons":3}', expected=None)
    await runner.store.change_host_limit("slow.test", HostLimit(concurrency=1).encode(), expected=None)
    runner.target.gate.clear()
    await start_consumer(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1


async def test_an_unreadable_state_counts_as_none(runner: LocalRunner) -> None:
    """A damaged state, or one of another version, is overwritten once a task starts there."""
    end = runner.clock.now() + timedelta(hours=1)
    damaged = HostEntry(host="slow.test", version="v", encoded=b'{"slots":7}', until=end)
    await runner.store.write_hosts([HostEdit(entry=damaged, expected=None)], now=runner.clock.now())
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="slow")
    await runner.until_runs(1)
    entry = await runner.store.host("slow.test")
    assert entry is not None
    assert list(decode_state(entry.encoded).slots) == ["consumer-1"]


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_consumer_crashes_as_it_takes_a_place(runner: LocalRunner, cut: Cut) -> None:
    """The delivery comes again; the place of the dead consumer is free once its lease is over."""
    await store_state(runner)
    limit = {"slow.test": HostLimit(concurrency=1)}
    store, line = severable(runner.store, "write_hosts", cut)
    await runner.consumer(store, host_limits=limit)
    await runner.submit(SLOW, id="task")
    await line.cut_off.wait()
    await runner.consumer(host_limits=limit)
    await runner.break_connections()
    if cut is Cut.AFTER:
        await snoozed(runner, 1)
        assert runner.target.ledger == []
        await runner.later(LEASE + 1)
    await runner.heard(TaskSettled)
    assert runner.target.ledger == [("task", 1)]


async def test_starts_keep_their_distance(runner: LocalRunner) -> None:
    """With a rate of 1/s and a burst of 2, two start at once; the others wait a second each."""
    await start_consumer(runner, slow=HostLimit(rate=1.0, burst=2))
    began = runner.clock.now()
    for number in range(6):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 4)
    await runner.heard(TaskSettled, 2)
    dues = [(await runner.record(f"slow-{number}")).due for number in range(6)]
    waits = sorted((due - began).total_seconds() for due in dues if due is not None)
    assert len(waits) == 4
    assert all(later - sooner >= 0.8 for sooner, later in pairwise(waits))


@pytest.mark.parametrize("pattern", ["slow.test", "*.test"])
async def test_a_raised_limit_applies_to_waiting_tasks(runner: LocalRunner, pattern: str) -> None:
    """Neither their due times nor those to come follow the old limit."""
    hosts = HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings())
    await hosts.set_limit(pattern, {"rate": "1/h"})
    await start_consumer(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await hosts.set_limit(pattern, {"rate": "100/s"})
    await runner.until(lambda: len(runner.told(HostLimitsChanged)) >= 2, "the consumer knows the new limit")
    await runner.later(6)
    await runner.heard(TaskSettled, 3)


async def test_an_expired_task_fails_while_its_host_is_closed(runner: LocalRunner) -> None:
    """The deadline holds during a snooze."""
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="first")
    await runner.until_runs(1)
    expires_at = (runner.clock.now() + timedelta(seconds=DEADLINE)).isoformat()
    await runner.submit(SLOW, id="late", expires_at=expires_at)
    await snoozed(runner, 1)
    await runner.later(DEADLINE + 1)
    assert (await runner.record("late")).reason == "expired"


async def test_limits_of_the_store_are_applied(runner: LocalRunner) -> None:
    """A limit that is set while the consumer runs holds for later tasks."""
    runner.target.gate.clear()
    await start_consumer(runner)
    await runner.store.change_host_limit("*.test", b'{"concurrency": 1}', expected=None)
    await runner.heard(HostLimitsChanged)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1
