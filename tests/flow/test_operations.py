"""Operations do everything that matches, to what was there when they were made."""

from typing import Any

import pytest

from taskrunner.domain.errors import StateConflict
from taskrunner.domain.events import LoopFailed, TaskSettled
from taskrunner.domain.operations.bulk_operation import OperationStatus
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.operation_runner import OperationRunner
from tests.flow.local_runner import OK, LocalRunner
from tests.flow.operations import (
    audited,
    counts,
    create,
    failed,
    finish,
    found,
    message,
    runs,
    statuses,
    take,
)


async def test_live_tasks_are_cancelled_whatever_their_status(runner: LocalRunner) -> None:
    """What has ended is not touched, nor what does not match; the audit has the sum."""
    scheduled = [(await runner.submit(delay=60, labels={"a": "1"})).id for _ in range(2)]
    queued = [(await runner.submit(labels={"a": "1"})).id for _ in range(2)]
    other = (await runner.submit(delay=60)).id

    ended = await finish(runner, await create(runner, action="cancel", filter={"label": ["a=1"]}))

    assert (ended.status, counts(ended)) == (OperationStatus.COMPLETED, (4, 4, 0, 0))
    assert await statuses(runner, [*scheduled, *queued]) == [Status.CANCELLED] * 4
    assert await runner.status(other) is Status.SCHEDULED
    assert await audited(runner) == [("tasks.cancel", "label=a=1", 4)]


async def test_a_dry_run_counts(runner: LocalRunner) -> None:
    ids = [(await runner.submit(delay=60)).id for _ in range(3)]
    ended = await finish(runner, await create(runner, action="delete", all=True, dry_run=True))
    assert counts(ended) == (3, 0, 0, 0)
    assert await statuses(runner, ids) == [Status.SCHEDULED] * 3
    assert await audited(runner) == []


async def test_a_limit_ends_it_early(runner: LocalRunner) -> None:
    for _ in range(5):
        await runner.submit(delay=60)
    ended = await finish(runner, await create(runner, action="delete", all=True, limit=3))
    assert (ended.status, counts(ended)) == (OperationStatus.COMPLETED, (3, 3, 0, 0))
    assert sum((await runner.store.counts()).values()) == 2


async def test_ids_tell_which_were_refused(runner: LocalRunner) -> None:
    """An unknown id and an ended task have a reason each."""
    ids = [(await runner.submit(delay=60)).id for _ in range(2)]
    await runner.cancellation.cancel(ids[0])

    ended = await finish(runner, await create(runner, action="cancel", ids=[*ids, "never", ids[1]]))

    assert counts(ended) == (3, 1, 0, 2)
    reasons = {each.id: each.reason for each in ended.progress.reasons}
    assert set(reasons) == {ids[0], "never"}
    assert "is cancelled, so there is nothing to cancel" in reasons[ids[0]]
    assert "no task has the id 'never'" in reasons["never"]


async def test_an_ended_operation_keeps_the_number_of_its_ids(runner: LocalRunner) -> None:
    """Lists read all operations that ended, and each may name a thousand. The audit has the ids."""
    ids = [(await runner.submit(delay=60)).id for _ in range(3)]
    operation = await create(runner, action="cancel", ids=ids)
    assert (operation.ids, operation.named) == (tuple(ids), 3)

    ended = await finish(runner, operation)

    assert (ended.ids, ended.named, ended.target) == ((), 3, "3 ids")
    assert await audited(runner) == [("tasks.cancel", " ".join(ids), 3)]


async def test_only_twenty_reasons_are_kept(runner: LocalRunner) -> None:
    ended = await finish(runner, await create(runner, action="delete", ids=[f"n{n}" for n in range(30)]))
    assert (counts(ended), len(ended.progress.reasons)) == ((30, 0, 0, 30), 20)


async def test_dead_letters_are_requeued_with_their_history(runner: LocalRunner) -> None:
    """A message that cannot be read stays, with the reason."""
    await runner.consumer()
    letter = await message(runner)
    red = await failed(runner, 3, labels={"team": "red"})
    blue = await failed(runner, 1)
    runner.target.script(OK)

    ended = await finish(
        runner,
        await create(runner, action="requeue", resource="dead-letters", filter={"label": ["team"]}),
    )
    assert counts(ended) == (3, 3, 0, 0)
    await runner.heard(TaskSettled, 7)
    for task_id in red:
        record = await runner.record(task_id)
        assert [attempt.status_code for attempt in record.attempts] == [404, 200]
    assert await statuses(runner, blue) == [Status.FAILED]

    rest = await finish(runner, await create(runner, action="requeue", resource="dead-letters", all=True))
    assert counts(rest) == (2, 1, 0, 1)
    assert [each.id for each in rest.progress.reasons] == [letter]
    kept = await runner.store.dead_letter(letter)
    assert kept is not None
    assert kept.raw == b"no task"


async def test_dead_letters_are_deleted(runner: LocalRunner) -> None:
    """Failed tasks with their records, messages with their bytes."""
    await runner.consumer()
    await message(runner)
    ids = await failed(runner, 2)
    ended = await finish(runner, await create(runner, action="delete", resource="dead-letters", all=True))
    assert counts(ended) == (3, 3, 0, 0)
    assert (await runner.store.list_dead_letters(limit=10, cursor=None)).items == []
    assert [await runner.store.get(task_id) for task_id in ids] == [None, None]


async def test_a_rate_is_kept(runner: LocalRunner) -> None:
    """So many per second, on average and at any time."""
    for _ in range(10):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=2)
    run = await take(runner, operation)
    began = runner.clock.monotonic()
    while (pause := await run.advance()) is not None:
        done = run.operation.progress.done
        assert done <= 2 * (runner.clock.monotonic() - began) + 2
        runner.clock.advance(pause)
    assert runner.clock.monotonic() - began == pytest.approx(5, abs=0.1)


async def test_a_slow_operation_keeps_its_lease(runner: LocalRunner) -> None:
    """One item in a minute: another process sees all the time that somebody runs it."""
    for _ in range(2):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=1 / 60)
    run = await take(runner, operation)
    for _ in range(10):
        pause = await run.advance()
        assert pause is not None
        runner.clock.advance(pause)
        assert not (await found(runner, operation)).is_free(runner.clock.now())


async def test_a_fast_operation_does_not_wait_for_a_slow_one(runner: LocalRunner) -> None:
    for number in range(6):
        await runner.submit(delay=600, labels={"of": "slow" if number < 3 else "fast"})
    slow = await create(runner, action="cancel", filter={"label": ["of=slow"]}, rate=0.01)
    fast = await create(runner, action="cancel", filter={"label": ["of=fast"]})
    service = OperationRunner(runs(runner))
    for _ in range(3):
        runner.clock.advance(await service.turn())
    assert (await found(runner, fast)).status is OperationStatus.COMPLETED
    assert (await found(runner, slow)).progress.done == 1


async def test_an_abort_ends_it_within_a_second(runner: LocalRunner) -> None:
    """What is done stays done and is in the audit; the rest stays as it is."""
    for _ in range(6):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=0.1)
    service = OperationRunner(runs(runner))
    await service.turn()
    aborting = await OperationAdmin(runner.store, runner.clock).abort(operation.id)
    assert aborting.status is OperationStatus.ABORTING
    runner.clock.advance(1)
    await service.turn()

    ended = await found(runner, operation)
    assert (ended.status, ended.progress.done) == (OperationStatus.ABORTED, 1)
    assert (await runner.store.counts())[Status.SCHEDULED] == 5
    assert await audited(runner) == [("tasks.cancel", "all=true", 1)]
    with pytest.raises(StateConflict, match="has ended: it is aborted"):
        await OperationAdmin(runner.store, runner.clock).abort(operation.id)


async def test_an_abort_during_a_step_counts_the_step(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=2)
    run = await take(runner, operation)
    step = BulkActions.step

    async def aborted_meanwhile(*args: Any) -> Any:
        await OperationAdmin(runner.store, runner.clock).abort(operation.id)
        return await step(*args)

    monkeypatch.setattr(BulkActions, "step", aborted_meanwhile)
    await run.advance()
    monkeypatch.undo()
    assert await run.advance() is None
    ended = await found(runner, operation)
    assert (ended.status, ended.progress.done) == (OperationStatus.ABORTED, 2)


async def test_an_abort_of_what_nobody_runs_is_taken_up(runner: LocalRunner) -> None:
    operation = await create(runner, action="cancel", all=True)
    await OperationAdmin(runner.store, runner.clock).abort(operation.id)
    await OperationRunner(runs(runner)).turn()
    assert (await found(runner, operation)).status is OperationStatus.ABORTED


async def test_a_requeue_stops_when_too_many_fail_again(runner: LocalRunner) -> None:
    """The rest stay dead letters, and nothing has happened to them."""
    await runner.consumer(workers=8)
    await failed(runner, 40)
    operation = await create(
        runner, action="requeue", resource="dead-letters", all=True, rate=20, stop_at={"percent": 50}
    )
    run = await take(runner, operation)
    settled = 40
    while (pause := await run.advance()) is not None:
        settled += run.operation.progress.done - (settled - 40)
        await runner.heard(TaskSettled, settled)
        runner.clock.advance(pause)
    ended = await found(runner, operation)
    sample = ended.progress.sample
    assert (ended.status, ended.progress.done) == (OperationStatus.STOPPED, 20)
    assert (sample.ended, sample.failed) == (20, 20)


async def test_refusals_stop_it_as_well(runner: LocalRunner) -> None:
    ids = [f"never-{number}" for number in range(900)]
    operation = await create(runner, action="delete", ids=ids, stop_at={"failures": 50})
    ended = await finish(runner, operation)
    assert (ended.status, counts(ended)) == (OperationStatus.STOPPED, (100, 0, 0, 100))


async def test_a_fault_of_ours_ends_it(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others must not wait for it, and the log has the cause."""

    async def broken(*_: object) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(BulkActions, "step", broken)
    ended = await finish(runner, await create(runner, action="cancel", all=True))
    assert ended.status is OperationStatus.FAILED
    assert ended.error == "RuntimeError: a fault of taskrunner; the log has it"
    assert [str(event.error) for event in runner.told(LoopFailed)] == ["s3cret"]


async def test_a_process_that_stops_lets_another_go_on_at_once(runner: LocalRunner) -> None:
    for _ in range(3):
        await runner.submit(delay=600)
    operation = await create(runner, action="cancel", all=True, rate=1)
    service = OperationRunner(runs(runner))
    await service.turn()
    await service.stop()

    ended = await finish(runner, operation, runs(runner, "two"))

    assert (ended.status, counts(ended)) == (OperationStatus.COMPLETED, (3, 3, 0, 0))


async def test_there_is_a_most_of_live_operations(runner: LocalRunner) -> None:
    """Until one of them has ended."""
    several = [await create(runner, action="cancel", all=True) for _ in range(10)]
    with pytest.raises(StateConflict, match="10 of your operations have not ended"):
        await create(runner, action="cancel", all=True)
    await finish(runner, several[0])
    await create(runner, action="cancel", all=True)


async def test_ended_operations_go_after_their_retention(runner: LocalRunner) -> None:
    """A younger one stays, and so does one that has not ended, however old it is."""
    live = await create(runner, action="cancel", all=True)
    old = await finish(runner, await create(runner, action="cancel", all=True))
    runner.clock.advance(RetentionSettings().operations - 60)
    young = await finish(runner, await create(runner, action="cancel", all=True))
    runner.clock.advance(120)
    await runner.make_cleaner().turn()
    page = await OperationAdmin(runner.store, runner.clock).list(limit=9, cursor=None)
    assert {each.id for each in page.items} == {live.id, young.id}
    assert old.id not in {live.id, young.id}
