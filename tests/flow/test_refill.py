"""The refill: what a broker that holds nothing at start gets back from the store."""

import pytest

from taskrunner.domain.events import DeliveryDropped
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.producer import refill
from taskrunner.producer.refill import Refill, end_leases
from tests.flow.house import House


async def _refill(house: House) -> None:
    service = Refill(house.store, house.publisher, house.events)
    while await service.turn() == 0.0:
        pass


async def test_what_an_earlier_process_queued_is_queued_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, page by page and in its order, in one turn of no relay."""
    monkeypatch.setattr(refill, "_PAGE", 3)
    ids = [(await house.submit()).id for _ in range(8)]
    assert house.broker.lose(Lane.MEDIUM) == 8
    await _refill(house)
    assert (await house.broker.depths())[Lane.MEDIUM] == 8
    await house.consumer(workers=1)
    await house.until_runs(8)
    assert [task_id for task_id, _ in house.target.ledger] == ids


async def test_tasks_that_this_process_queued_run_once(house: House) -> None:
    """Published once more they are doubles, which the fences drop."""
    task = await house.submit()
    await _refill(house)
    assert (await house.broker.depths())[Lane.MEDIUM] == 2
    await house.consumer(workers=1)
    await house.heard(DeliveryDropped)
    assert house.target.runs(task.id) == 1


async def test_the_tasks_of_a_dead_process_are_rescued_without_waiting(house: House) -> None:
    """Their leases end now, the attempt counts, and the next one is planned."""
    house.target.gate.clear()
    task = await house.submit()
    await house.consumer(workers=1)
    await house.until_runs(1)
    await end_leases(house.store, house.clock)
    await house.relay.turn()
    record = await house.record(task.id)
    assert record.status is Status.RETRYING
    assert [attempt.counted for attempt in record.attempts] == [True]
