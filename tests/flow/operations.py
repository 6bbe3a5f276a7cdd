"""Helpers for tests of operations: make one, take it as a process does, and look at it."""

from typing import Any

from taskrunner.brokers.base import Publication
from taskrunner.domain.codec import encode
from taskrunner.domain.events import DeadLetterCollected, TaskSettled
from taskrunner.domain.keys.audit import Actor, AuditFilter, AuditSource
from taskrunner.domain.operations.bulk_operation import BulkOperation
from taskrunner.domain.operations.bulk_operation_draft import BulkOperationDraft
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.operation_run import OperationRun, OperationRuns
from taskrunner.stores.base import Store
from tests.flow.local_runner import LocalRunner, http_error

ACTOR = Actor(source=AuditSource.API, key="ops")


def runs(runner: LocalRunner, name: str = "one", store: Store | None = None) -> OperationRuns:
    store = store or runner.store
    trail = AuditTrail(store, runner.events, runner.clock)
    actions = runner.make_bulk_action(store)
    return OperationRuns(store, actions, trail, runner.events, runner.clock, name=name)


async def create(runner: LocalRunner, **fields: Any) -> BulkOperation:
    made = await OperationAdmin(runner.store, runner.clock).create(
        BulkOperationDraft.from_json(encode(fields)), ACTOR
    )
    return made.operation


async def found(runner: LocalRunner, operation: BulkOperation) -> BulkOperation:
    return await OperationAdmin(runner.store, runner.clock).find(operation.id)


async def take(
    runner: LocalRunner, operation: BulkOperation, by: OperationRuns | None = None
) -> OperationRun:
    stored = await runner.store.operation(operation.id)
    assert stored is not None
    taken = await (by or runs(runner)).take(stored)
    assert taken is not None
    return taken


async def resumed(runner: LocalRunner, run: OperationRun, store: Store) -> OperationRun:
    """The run, over a line that a test cuts."""
    stored = await runner.store.operation(run.operation.id)
    assert stored is not None
    return OperationRun(runs(runner, store=store), stored)


async def finish(
    runner: LocalRunner, operation: BulkOperation, by: OperationRuns | None = None
) -> BulkOperation:
    """Run it to its end, moving the clock as the run asks for."""
    run = await take(runner, operation, by)
    while (pause := await run.advance()) is not None:
        runner.clock.advance(pause)
    return await found(runner, operation)


async def failed(runner: LocalRunner, count: int, **fields: Any) -> list[str]:
    before = len(runner.told(TaskSettled))
    runner.target.script(http_error(404))
    ids = [(await runner.submit(max_attempts=1, **fields)).id for _ in range(count)]
    await runner.heard(TaskSettled, before + count)
    return ids


async def message(runner: LocalRunner) -> str:
    """A message that nobody can read, collected."""
    runner.collect()
    await runner.broker.publish([Publication(queue="low", body=b"no task", task_id="")])
    (collected,) = await runner.heard(DeadLetterCollected)
    return collected.id


def counts(operation: BulkOperation) -> tuple[int, int, int, int]:
    progress = operation.progress
    return progress.matched, progress.done, progress.skipped, progress.failed


async def statuses(runner: LocalRunner, ids: list[str]) -> list[Status]:
    return [await runner.status(task_id) for task_id in ids]


async def audited(runner: LocalRunner) -> list[tuple[str, str, int | None]]:
    trail = AuditTrail(runner.store, runner.events, runner.clock)
    page = await trail.list(AuditFilter(), limit=50, cursor=None)
    return [(entry.action, entry.target, entry.count) for entry in page.items]
