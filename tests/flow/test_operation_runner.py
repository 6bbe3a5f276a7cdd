"""One process runs many operations: none of them, and no fault of one, keeps the others waiting."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.events import LoopFailed
from taskrunner.domain.operations.bulk_operation import BulkOperation, OperationStatus
from taskrunner.domain.operations.bulk_operation_draft import BulkOperationDraft
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.operation_run import MOST_TAKEN
from taskrunner.producer.operation_runner import OperationRunner
from taskrunner.stores.base import StoredOperation
from tests.flow.local_runner import LocalRunner
from tests.flow.operations import (
    ACTOR,
    create,
    found,
    runs,
)


async def test_a_process_takes_no_more_than_it_can_keep(runner: LocalRunner) -> None:
    """The others are for other processes, or wait until one has ended."""
    draft = BulkOperationDraft.from_json(b'{"action": "cancel", "all": true}')
    admin = OperationAdmin(runner.store, runner.clock)
    made = [await admin.create(draft, ACTOR, namespace=f"n{place % 3}") for place in range(MOST_TAKEN + 1)]
    service = OperationRunner(runs(runner))
    await service.turn()
    assert sum([(await found(runner, each.operation)).is_live for each in made]) == 1
    runner.clock.advance(1)
    await service.turn()
    assert sum([(await found(runner, each.operation)).is_live for each in made]) == 0


async def test_a_fault_of_one_keeps_no_other_waiting(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is; the log has it, and the one that fails pauses."""
    bad, good = [await create(runner, action="cancel", all=True, rate=0.1) for _ in range(2)]
    save = type(runner.store).save_operation

    async def broken(store: Any, stored: StoredOperation, **options: Any) -> bool:
        if stored.id == bad.id:
            raise ValueError("of a newer version")
        return await save(store, stored, **options)

    service = OperationRunner(runs(runner))
    with monkeypatch.context() as patched:
        patched.setattr(type(runner.store), "save_operation", broken)
        for _ in range(4):
            await service.turn()
    assert (await found(runner, good)).status is OperationStatus.COMPLETED
    assert [event.service for event in runner.told(LoopFailed)] == [f"operation {bad.id}"]
    runner.clock.advance(1)
    await service.turn()
    assert (await found(runner, bad)).status is OperationStatus.COMPLETED


async def test_an_operation_that_cannot_be_read_stops_none_that_was_taken(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=1)
    service = OperationRunner(runs(runner))
    await service.turn()

    async def broken(*_: Any, **__: Any) -> None:
        raise ValueError("of a newer version")

    monkeypatch.setattr(type(runner.store), "live_operations", broken)
    for _ in range(3):
        runner.clock.advance(1)
        await service.turn()
    assert (await found(runner, operation)).status is OperationStatus.COMPLETED
    assert runner.told(LoopFailed)


async def test_a_stop_does_not_wait_for_a_step_of_each(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that were not begun are for another process."""
    for _ in range(3):
        await create(runner, action="cancel", all=True)
    service, step = OperationRunner(runs(runner)), BulkActions.step
    begun, going, stopping = list[str](), asyncio.Event(), asyncio.Event()

    async def slow(self: BulkActions, operation: BulkOperation, size: int) -> Any:
        begun.append(operation.id)
        going.set()
        await stopping.wait()
        return await step(self, operation, size)

    monkeypatch.setattr(BulkActions, "step", slow)
    await service.start()
    await going.wait()
    ended = asyncio.create_task(service.stop())
    await asyncio.sleep(0)
    stopping.set()
    await ended
    assert len(begun) == 1
