"""Tasks that are cancelled or deleted: in every status, while they run, and with a crash at each write."""

import pytest

from taskrunner.domain.errors import StateConflict, StoreUnavailable, TaskUnknown
from taskrunner.domain.events import (
    DeliveryDropped,
    SettleRefused,
    TaskAdopted,
    TasksCancelled,
    TasksDeleted,
    TaskSettled,
)
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.handlers.base import AttemptContext
from tests.flow.local_runner import DEADLINE, FORGOTTEN, LEASE, OK, LocalRunner, http_error
from tests.tools.interposed import interposed
from tests.tools.severed import Cut, severable
from tests.tools.waiting import eventually, last_look

CUTS = list(Cut)


def until_cancelled(context: AttemptContext) -> Outcome:
    """A fetch that runs until it is cancelled."""
    if not last_look(lambda: context.cancelled, within=DEADLINE):
        return Outcome(kind=OutcomeKind.TIMEOUT, error="nobody cancelled it")
    return Outcome(kind=OutcomeKind.CANCELLED, error="cancelled")


async def nothing_follows(runner: LocalRunner, runs: int) -> None:
    """The task reaches the target no more, whatever the relay does later."""
    for _ in range(3):
        await runner.later(FORGOTTEN + LEASE)
    assert runner.target.runs("task") == runs


async def test_a_delayed_task_is_cancelled(runner: LocalRunner) -> None:
    await runner.submit(id="task", delay=60)
    record = await runner.cancellation.cancel("task")
    assert (record.status, record.error, record.attempts) == (Status.CANCELLED, "cancelled by request", ())
    assert await runner.store.dead_letter("task") is None
    await runner.consumer()
    await nothing_follows(runner, runs=0)
    assert await runner.status("task") is Status.CANCELLED


async def test_a_queued_task_is_cancelled(runner: LocalRunner) -> None:
    """Its delivery is dropped when it comes."""
    await runner.submit(id="task")
    assert (await runner.cancellation.cancel("task")).status is Status.CANCELLED
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    await nothing_follows(runner, runs=0)


async def test_a_retrying_task_is_cancelled_with_its_history(runner: LocalRunner) -> None:
    runner.target.script(http_error(503))
    await runner.consumer()
    await runner.submit(id="task", retry={"strategy": "constant", "base": 60})
    await runner.heard(TaskSettled)
    record = await runner.cancellation.cancel("task")
    assert record.status is Status.CANCELLED
    assert [attempt.status_code for attempt in record.attempts] == [503]
    await nothing_follows(runner, runs=1)


async def test_a_running_fetch_is_cancelled(runner: LocalRunner) -> None:
    """Its consumer notices and stops it, and its outcome is refused; the record shows the attempt."""
    runner.target.answer = until_cancelled
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    record = await runner.cancellation.cancel("task")
    assert record.status is Status.CANCELLED
    (attempt,) = record.attempts
    assert (attempt.outcome, attempt.consumer) == (OutcomeKind.CANCELLED, "consumer-1")
    await runner.heard(SettleRefused)
    assert await runner.record("task") == record
    assert (await runner.broker.depths())["medium"] == 0
    await nothing_follows(runner, runs=1)


async def test_a_late_success_does_not_overwrite_a_cancel(runner: LocalRunner) -> None:
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.cancellation.cancel("task")
    runner.target.gate.set()
    await runner.heard(SettleRefused)
    assert await runner.status("task") is Status.CANCELLED
    assert not runner.told(TaskSettled)


@pytest.mark.parametrize("outcome", [OK, http_error(404)])
async def test_a_late_cancel_does_not_overwrite_a_terminal_status(
    runner: LocalRunner, outcome: Outcome
) -> None:
    runner.target.script(outcome)
    await runner.consumer()
    await runner.submit(id="task")
    await runner.heard(TaskSettled)
    before = await runner.record("task")
    with pytest.raises(StateConflict, match="nothing to cancel"):
        await runner.cancellation.cancel("task")
    assert await runner.cancellation.cancel_all([before]) == []
    assert await runner.record("task") == before


async def test_a_task_that_starts_during_the_cancel_is_cancelled(runner: LocalRunner) -> None:
    """The status changed between read and write: the write is refused, and the record is read again."""
    runner.target.answer = until_cancelled
    await runner.submit(id="task")

    async def start(_record: object) -> None:
        if not runner.consumers:
            await runner.consumer()
            await runner.until_runs(1)

    late = interposed(runner.store, "get", start)
    record = await runner.make_cancellation(late).cancel("task")
    assert (record.status, record.attempt) == (Status.CANCELLED, 1)


async def test_a_cancel_may_be_repeated(runner: LocalRunner) -> None:
    await runner.submit(id="task", delay=60)
    first = await runner.cancellation.cancel("task")
    assert await runner.cancellation.cancel("task") == first
    assert runner.told(TasksCancelled) == [TasksCancelled(count=1)]
    with pytest.raises(TaskUnknown):
        await runner.cancellation.cancel("nobody")


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_crash_at_the_write_of_a_cancel(runner: LocalRunner, cut: Cut, running: bool) -> None:
    """Without an answer the task is as before or cancelled, and a second cancel settles it."""
    runner.target.answer = until_cancelled
    await runner.submit(id="task")
    if running:
        await runner.consumer()
        await runner.until_runs(1)
    store, _ = severable(runner.store, "settle" if running else "cancel", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(store).cancel("task")
    done = await runner.status("task") is Status.CANCELLED
    assert done is (cut is Cut.AFTER)
    assert (await runner.cancellation.cancel("task")).status is Status.CANCELLED
    await nothing_follows(runner, runs=int(running))


async def test_a_consumer_crashes_with_a_cancelled_task(runner: LocalRunner) -> None:
    """The delivery goes to another consumer, which drops it."""
    runner.target.gate.clear()
    store, line = severable(runner.store)
    await runner.consumer(store)
    await runner.submit(id="task")
    await runner.until_runs(1)
    line.sever()
    await runner.cancellation.cancel("task")
    await runner.consumer()
    await runner.break_connections()
    await runner.heard(DeliveryDropped)
    await nothing_follows(runner, runs=1)
    assert await runner.status("task") is Status.CANCELLED


async def test_a_deleted_task_does_not_come_back(runner: LocalRunner) -> None:
    """Its delivery, still in the broker, is dropped, and no record is made from it."""
    await runner.submit(id="task")
    await runner.cancellation.delete("task")
    assert runner.told(TasksDeleted) == [TasksDeleted(count=1)]
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    assert not runner.told(TaskAdopted)
    await nothing_follows(runner, runs=0)
    assert await runner.store.get("task") is None
    with pytest.raises(TaskUnknown):
        await runner.cancellation.delete("task")
    with pytest.raises(StateConflict, match="deleted"):
        await runner.submit(id="task")


async def test_a_running_task_that_is_deleted_is_stopped(runner: LocalRunner) -> None:
    runner.target.answer = until_cancelled
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.cancellation.delete("task")
    await runner.heard(SettleRefused)
    await runner.break_connections()
    await nothing_follows(runner, runs=1)
    assert await runner.store.get("task") is None


@pytest.mark.parametrize("cut", CUTS)
async def test_a_crash_at_the_write_of_a_delete(runner: LocalRunner, cut: Cut) -> None:
    """The whole delete is written, or nothing."""
    await runner.submit(id="task")
    store, _ = severable(runner.store, "delete", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(store).delete("task")
    await runner.consumer()
    if cut is Cut.AFTER:
        await runner.heard(DeliveryDropped)
        await nothing_follows(runner, runs=0)
    else:
        await runner.heard(TaskSettled)
        assert await runner.status("task") is Status.SUCCEEDED


async def test_a_lost_store_does_not_stop_running_attempts(runner: LocalRunner) -> None:
    """A record that is missing without a delete means nothing: the fetch goes on."""
    runner.target.gate.clear()
    cut: list[bool] = []

    def answer(context: AttemptContext) -> Outcome:
        cut.append(context.cancelled)
        return OK

    runner.target.answer = answer
    looks = 0

    async def count(_answer: object) -> None:
        nonlocal looks
        looks += 1

    watched = interposed(runner.store, "still_running", count)
    await runner.consumer(watched)
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.lose_store()
    await eventually(lambda: looks >= 2)
    runner.target.gate.set()
    await eventually(lambda: bool(cut))
    assert cut == [False]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_crash_between_the_writes_of_a_bulk_cancel(runner: LocalRunner, cut: Cut) -> None:
    """Waiting tasks are cancelled, running ones perhaps; repeating the call does the rest."""
    runner.target.answer = until_cancelled
    await runner.submit(id="task")
    await runner.consumer()
    await runner.until_runs(1)
    await runner.submit(id="later", delay=60)
    store, _ = severable(runner.store, "settle", cut)
    records = [await runner.record("later"), await runner.record("task")]
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(store).cancel_all(records)
    assert await runner.status("later") is Status.CANCELLED
    assert (await runner.status("task") is Status.CANCELLED) is (cut is Cut.AFTER)
    await runner.make_cancellation(runner.store).cancel("task")
    assert await runner.status("task") is Status.CANCELLED
