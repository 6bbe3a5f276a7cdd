"""Whoever dies while an operation runs, another process goes on, and nothing is done twice."""

import itertools
from typing import Any

import pytest

from taskrunner.domain.errors import StoreRefused, StoreUnavailable
from taskrunner.domain.events import TaskSettled
from taskrunner.domain.operations.bulk_operation import BulkOperation, OperationStatus
from taskrunner.domain.process_events import AuditLost
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.operation_lease import LEASE
from taskrunner.producer.operation_runner import OperationRunner
from tests.flow.local_runner import HOLD, LocalRunner
from tests.flow.operations import (
    audited,
    counts,
    create,
    failed,
    finish,
    found,
    resumed,
    runs,
    statuses,
    take,
)
from tests.tools.severed import Cut, severable


@pytest.mark.parametrize("method", ["save_operation", "requeue"])
async def test_a_step_that_is_repeated_requeues_nothing_twice(runner: LocalRunner, method: str) -> None:
    """What it has requeued may have failed again before another process goes on."""
    await runner.consumer()
    ids = await failed(runner, 4)
    runner.clock.advance(1)
    operation = await create(runner, action="requeue", all=True)
    store, _ = severable(runner.store, method, Cut.BEFORE if method == "save_operation" else Cut.AFTER)
    dying = await resumed(runner, await take(runner, operation), store)
    with pytest.raises(StoreUnavailable):
        await dying.advance()
    await runner.later(max(LEASE, HOLD) + 1)
    await runner.heard(TaskSettled, 8)

    ended = await finish(runner, operation, runs(runner, "two"))

    assert ended.status is OperationStatus.COMPLETED
    await runner.later(HOLD)
    assert [len((await runner.record(task_id)).attempts) for task_id in ids] == [2] * 4


async def test_a_step_whose_answer_was_lost_requeues_nothing_twice(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same process repeats it as well."""
    await runner.consumer()
    ids = await failed(runner, 4)
    runner.clock.advance(1)
    run = await take(runner, await create(runner, action="requeue", all=True))
    requeue = type(runner.store).requeue

    async def unheard(*args: Any, **options: Any) -> Any:
        await requeue(*args, **options)
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patched:
        patched.setattr(type(runner.store), "requeue", unheard)
        with pytest.raises(StoreUnavailable):
            await run.advance()
    await runner.later(HOLD)
    await runner.heard(TaskSettled, 8)
    while (pause := await run.advance()) is not None:
        runner.clock.advance(pause)
    assert [len((await runner.record(task_id)).attempts) for task_id in ids] == [2] * 4


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("method", ["cancel", "save_operation"])
async def test_another_process_goes_on_after_the_lease(runner: LocalRunner, method: str, cut: Cut) -> None:
    """Wherever the first one died, everything is done; nobody is in its way before the lease ends."""
    ids = [(await runner.submit(delay=60)).id for _ in range(4)]
    operation = await create(runner, action="cancel", all=True, rate=2)
    store, severed = severable(runner.store, method, cut)
    first = await take(runner, operation)
    dying = await resumed(runner, first, store)
    with pytest.raises(StoreUnavailable):
        await dying.advance()
    assert severed.severed
    second = OperationRunner(runs(runner, "two"))
    await second.turn()
    assert (await found(runner, operation)).runner == first.operation.runner

    runner.clock.advance(LEASE + 1)
    for _ in range(20):
        runner.clock.advance(await second.turn())

    ended = await found(runner, operation)
    assert ended.status is OperationStatus.COMPLETED
    assert await statuses(runner, ids) == [Status.CANCELLED] * 4
    assert ended.progress.done in {2, 4}


async def test_an_entry_whose_answer_was_lost_is_repeated(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same entry, and nobody is told that it is lost."""
    await runner.submit(delay=60)
    run = await take(runner, await create(runner, action="cancel", all=True))
    append = type(runner.store).append_audit

    async def unheard(*args: Any) -> None:
        await append(*args)
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patched:
        patched.setattr(type(runner.store), "append_audit", unheard)
        with pytest.raises(StoreUnavailable):
            await run.advance()
    runner.clock.advance(1)
    assert await run.advance() is None
    assert await audited(runner) == [("tasks.cancel", "all=true", 1)]
    assert runner.told(AuditLost) == []


async def test_an_end_that_nobody_saved_is_in_the_audit(runner: LocalRunner) -> None:
    """Another process repeats the step, which finds nothing left to do."""
    for _ in range(4):
        await runner.submit(delay=60)
    operation = await create(runner, action="cancel", all=True)
    store, _ = severable(runner.store, "save_operation", Cut.BEFORE)
    dying = await resumed(runner, await take(runner, operation), store)
    with pytest.raises(StoreUnavailable):
        await dying.advance()
    runner.clock.advance(LEASE + 1)
    ended = await finish(runner, operation, runs(runner, "two"))
    assert ended.status is OperationStatus.COMPLETED
    assert await audited(runner) == [("tasks.cancel", "all=true", 4)]


async def test_a_save_whose_answer_was_lost_is_repeated(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same process: no step is done twice, and none is counted twice."""
    for _ in range(3):
        await runner.submit(delay=60)
    operation = await create(runner, action="cancel", all=True, rate=1)
    run = await take(runner, operation)
    save, calls = type(runner.store).save_operation, itertools.count()

    async def answered_every_other_time(*args: Any, **options: Any) -> bool:
        saved = await save(*args, **options)
        if next(calls) % 2 == 0:
            raise StoreUnavailable("cut")
        return saved

    monkeypatch.setattr(type(runner.store), "save_operation", answered_every_other_time)
    lost = 0
    pause: float | None = 0.0
    while pause is not None:
        try:
            pause = await run.advance()
            runner.clock.advance(pause or 0.0)
        except StoreUnavailable:
            lost += 1
    ended = await found(runner, operation)
    assert (ended.status, counts(ended)) == (OperationStatus.COMPLETED, (3, 3, 0, 0))
    assert lost >= 3


async def test_two_processes_do_not_share_an_operation(runner: LocalRunner) -> None:
    """Both look at the same time; the one that is too late for the lease leaves it alone."""
    operation = await create(runner, action="cancel", all=True)
    stored = await runner.store.operation(operation.id)
    assert stored is not None
    taken = [await runs(runner, name).take(stored) for name in ("one", "two")]
    assert [each is not None for each in taken] == [True, False]


async def test_who_lost_the_lease_stops(runner: LocalRunner) -> None:
    """A process that stood still for longer than its lease must not go on beside another."""
    for _ in range(6):
        await runner.submit(delay=60)
    operation = await create(runner, action="cancel", all=True, rate=1)
    slow = await take(runner, operation)
    await slow.advance()
    runner.clock.advance(LEASE + 1)
    second = await take(runner, operation, runs(runner, "two"))
    await second.advance()
    done = (await found(runner, operation)).progress.done

    assert await slow.advance() is None
    assert (await found(runner, operation)).progress.done == done
    assert (await runner.store.counts())[Status.CANCELLED] == done


async def test_an_abort_that_the_renewal_finds_ends_it_before_the_next_step(runner: LocalRunner) -> None:
    """The steps of other operations may take long enough for somebody to ask for the end."""
    for _ in range(3):
        await runner.submit(delay=60)
    operation = await create(runner, action="cancel", all=True, rate=1)
    run = await take(runner, operation)
    await run.advance()
    await OperationAdmin(runner.store, runner.clock).abort(operation.id)
    runner.clock.advance(LEASE - 1)

    assert await run.advance() == 0
    assert await run.advance() is None

    ended = await found(runner, operation)
    assert (ended.status, ended.progress.done) == (OperationStatus.ABORTED, 1)


async def test_a_step_that_is_repeated_twice_requeues_nothing_twice(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is renewed in between, and the second answer is lost as well."""
    await runner.consumer()
    ids = await failed(runner, 4)
    runner.clock.advance(1)
    run = await take(runner, await create(runner, action="requeue", all=True))
    step = BulkActions.step

    async def unheard(*args: Any, **options: Any) -> Any:
        await step(*args, **options)
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patched:
        patched.setattr(BulkActions, "step", unheard)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await run.advance()
            await runner.heard(TaskSettled, 8)
            runner.clock.advance(4)
    while (pause := await run.advance()) is not None:
        runner.clock.advance(pause)
    await runner.later(HOLD)
    assert [len((await runner.record(task_id)).attempts) for task_id in ids] == [2] * 4


async def test_what_fails_for_one_keeps_no_other_waiting(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may refuse one operation's tasks again and again."""
    for name in ("bad", "good"):
        await runner.submit(delay=600, labels={"of": name})
    bad = await create(runner, action="cancel", filter={"label": ["of=bad"]})
    good = await create(runner, action="cancel", filter={"label": ["of=good"]})
    step = BulkActions.step

    async def refused(self: BulkActions, operation: BulkOperation, size: int) -> Any:
        if operation.id == bad.id:
            raise StoreRefused("no")
        return await step(self, operation, size)

    monkeypatch.setattr(BulkActions, "step", refused)
    service = OperationRunner(runs(runner))
    for _ in range(3):
        runner.clock.advance(await service.turn())
    assert (await found(runner, good)).status is OperationStatus.COMPLETED
    assert (await found(runner, bad)).is_live
    monkeypatch.undo()
    runner.clock.advance(await service.turn())
    await service.turn()
    assert (await found(runner, bad)).status is OperationStatus.COMPLETED
