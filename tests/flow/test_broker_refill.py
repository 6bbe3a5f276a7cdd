"""The refill: what a broker that holds nothing at start gets back from the store."""

import pytest

from taskrunner.domain.events import DeliveryDropped
from taskrunner.domain.executors.remote_lease import LeaseState
from taskrunner.domain.tasks.status import Status
from taskrunner.producer import broker_refill
from taskrunner.producer.broker_refill import BrokerRefill, end_leases
from tests.flow.local_runner import LEASE, LocalRunner
from tests.flow.remote_process import Remote


async def _refill(runner: LocalRunner) -> None:
    service = BrokerRefill(runner.store, runner.publisher, runner.events)
    while await service.turn() == 0.0:
        pass


async def test_what_an_earlier_process_queued_is_queued_again(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, page by page and in its order, in one turn of no relay."""
    monkeypatch.setattr(broker_refill, "_PAGE", 3)
    ids = [(await runner.submit()).id for _ in range(8)]
    assert runner.broker.lose("medium") == 8
    await _refill(runner)
    assert (await runner.broker.depths())["medium"] == 8
    await runner.consumer(workers=1)
    await runner.until_runs(8)
    assert [task_id for task_id, _ in runner.target.ledger] == ids


async def test_tasks_that_this_process_queued_run_once(runner: LocalRunner) -> None:
    """Published once more they are doubles, which the fences drop."""
    task = await runner.submit()
    await _refill(runner)
    assert (await runner.broker.depths())["medium"] == 2
    await runner.consumer(workers=1)
    await runner.heard(DeliveryDropped)
    assert runner.target.runs(task.id) == 1


async def test_the_tasks_of_a_dead_process_are_rescued_without_waiting(runner: LocalRunner) -> None:
    """Their leases end now, the attempt counts, and the next one is planned."""
    runner.target.gate.clear()
    task = await runner.submit()
    await runner.consumer(workers=1)
    await runner.until_runs(1)
    await end_leases(runner.store, runner.clock)
    await runner.relay.turn()
    record = await runner.record(task.id)
    assert record.status is Status.RETRYING
    assert [attempt.counted for attempt in record.attempts] == [True]


async def test_a_remote_worker_keeps_its_lease(runner: LocalRunner, remote: Remote) -> None:
    """Across a restart of this process; the lease of a worker that is dead ends at its time."""
    await remote.submit()
    await remote.submit()
    living, dead = await remote.lease(2)
    await end_leases(runner.store, runner.clock)
    await runner.relay.turn()
    assert await remote.beat(living) is LeaseState.HELD
    assert (await remote.end(living)).status is Status.SUCCEEDED
    await runner.later(LEASE + 1)
    assert await runner.status(dead.task.id) is Status.RETRYING
