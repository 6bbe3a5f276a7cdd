"""Tasks that are cancelled or deleted: in every status, while they run, and whoever dies on the way."""

import time

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
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.selection import Selection
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.handlers.base import Attempting
from taskrunner.producer.sweep import Action
from tests.flow.house import DEADLINE, FORGOTTEN, LEASE, OK, House, http_error
from tests.tools.interposed import interposed
from tests.tools.severed import Cut, severable

CUTS = list(Cut)


def until_cut(attempting: Attempting) -> Outcome:
    """A fetch that takes for ever, unless it is cut."""
    give_up = time.monotonic() + DEADLINE
    while not attempting.cancelled and time.monotonic() < give_up:
        time.sleep(0.005)
    if not attempting.cancelled:
        return Outcome(kind=OutcomeKind.TIMEOUT, error="nobody cut it")
    return Outcome(kind=OutcomeKind.CANCELLED, error="cut")


async def nothing_follows(house: House, runs: int) -> None:
    """The target hears of the task no more, whatever the relay does later."""
    for _ in range(3):
        await house.later(FORGOTTEN + LEASE)
    assert house.target.runs("task") == runs


async def test_a_delayed_task_is_cancelled(house: House) -> None:
    await house.submit(id="task", delay=60)
    record = await house.cancellation.cancel("task")
    assert (record.status, record.error, record.attempts) == (Status.CANCELLED, "cancelled by request", ())
    assert await house.store.dead_letter("task") is None
    await house.consumer()
    await nothing_follows(house, runs=0)
    assert await house.status("task") is Status.CANCELLED


async def test_a_queued_task_is_cancelled(house: House) -> None:
    """Its delivery is dropped when it comes."""
    await house.submit(id="task")
    assert (await house.cancellation.cancel("task")).status is Status.CANCELLED
    await house.consumer()
    await house.heard(DeliveryDropped)
    await nothing_follows(house, runs=0)


async def test_a_retrying_task_is_cancelled_with_its_history(house: House) -> None:
    house.target.script(http_error(503))
    await house.consumer()
    await house.submit(id="task", retry={"strategy": "constant", "base": 60})
    await house.heard(TaskSettled)
    record = await house.cancellation.cancel("task")
    assert record.status is Status.CANCELLED
    assert [attempt.status_code for attempt in record.attempts] == [503]
    await nothing_follows(house, runs=1)


async def test_a_running_fetch_is_cut(house: House) -> None:
    """Its consumer looks, stops it, and its answer is refused; the record tells of the attempt."""
    house.target.answer = until_cut
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    record = await house.cancellation.cancel("task")
    assert record.status is Status.CANCELLED
    (attempt,) = record.attempts
    assert (attempt.outcome, attempt.consumer) == (OutcomeKind.CANCELLED, "consumer-1")
    await house.heard(SettleRefused)
    assert await house.record("task") == record
    assert (await house.broker.depths())[Lane.MEDIUM] == 0
    await nothing_follows(house, runs=1)


async def test_a_late_success_does_not_overwrite_a_cancel(house: House) -> None:
    house.target.gate.clear()
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    await house.cancellation.cancel("task")
    house.target.gate.set()
    await house.heard(SettleRefused)
    assert await house.status("task") is Status.CANCELLED
    assert not house.told(TaskSettled)


@pytest.mark.parametrize("outcome", [OK, http_error(404)])
async def test_a_late_cancel_does_not_overwrite_an_end(house: House, outcome: Outcome) -> None:
    house.target.script(outcome)
    await house.consumer()
    await house.submit(id="task")
    await house.heard(TaskSettled)
    before = await house.record("task")
    with pytest.raises(StateConflict, match="nothing to cancel"):
        await house.cancellation.cancel("task")
    assert await house.cancellation.cancel_all([before]) == []
    assert await house.record("task") == before


async def test_a_task_that_starts_under_our_hands_is_cancelled_all_the_same(house: House) -> None:
    """Between the look and the write the status changed: the write is refused, and we look again."""
    house.target.answer = until_cut
    await house.submit(id="task")

    async def start(_record: object) -> None:
        if not house.consumers:
            await house.consumer()
            await house.until_runs(1)

    late = interposed(house.store, "get", start)
    record = await house.make_cancellation(late).cancel("task")
    assert (record.status, record.attempt) == (Status.CANCELLED, 1)


async def test_a_cancel_may_be_repeated(house: House) -> None:
    await house.submit(id="task", delay=60)
    first = await house.cancellation.cancel("task")
    assert await house.cancellation.cancel("task") == first
    assert house.told(TasksCancelled) == [TasksCancelled(count=1)]
    with pytest.raises(TaskUnknown):
        await house.cancellation.cancel("nobody")


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("cut", CUTS)
async def test_who_cancels_dies_at_the_write(house: House, cut: Cut, running: bool) -> None:
    """Nobody heard an answer; the task is as it was or cancelled, and asking again settles it."""
    house.target.answer = until_cut
    await house.submit(id="task")
    if running:
        await house.consumer()
        await house.until_runs(1)
    store, _ = severable(house.store, "settle" if running else "cancel", cut)
    with pytest.raises(StoreUnavailable):
        await house.make_cancellation(store).cancel("task")
    done = await house.status("task") is Status.CANCELLED
    assert done is (cut is Cut.AFTER)
    assert (await house.cancellation.cancel("task")).status is Status.CANCELLED
    await nothing_follows(house, runs=int(running))


async def test_the_consumer_dies_with_a_cancelled_task(house: House) -> None:
    """The delivery comes again, to another consumer, which drops it."""
    house.target.gate.clear()
    store, line = severable(house.store)
    await house.consumer(store)
    await house.submit(id="task")
    await house.until_runs(1)
    line.sever()
    await house.cancellation.cancel("task")
    await house.consumer()
    await house.break_connections()
    await house.heard(DeliveryDropped)
    await nothing_follows(house, runs=1)
    assert await house.status("task") is Status.CANCELLED


async def test_a_deleted_task_does_not_come_back(house: House) -> None:
    """Its delivery is still in the broker: it is dropped, and no record is made from it."""
    await house.submit(id="task")
    await house.cancellation.delete("task")
    assert house.told(TasksDeleted) == [TasksDeleted(count=1)]
    await house.consumer()
    await house.heard(DeliveryDropped)
    assert not house.told(TaskAdopted)
    await nothing_follows(house, runs=0)
    assert await house.store.get("task") is None
    with pytest.raises(TaskUnknown):
        await house.cancellation.delete("task")
    with pytest.raises(StateConflict, match="deleted"):
        await house.submit(id="task")


async def test_a_running_task_that_is_deleted_is_cut(house: House) -> None:
    house.target.answer = until_cut
    await house.consumer()
    await house.submit(id="task")
    await house.until_runs(1)
    await house.cancellation.delete("task")
    await house.heard(SettleRefused)
    await house.break_connections()
    await nothing_follows(house, runs=1)
    assert await house.store.get("task") is None


@pytest.mark.parametrize("cut", CUTS)
async def test_who_deletes_dies_at_the_write(house: House, cut: Cut) -> None:
    """All of it is there or nothing is."""
    await house.submit(id="task")
    store, _ = severable(house.store, "delete", cut)
    with pytest.raises(StoreUnavailable):
        await house.make_cancellation(store).delete("task")
    await house.consumer()
    if cut is Cut.AFTER:
        await house.heard(DeliveryDropped)
        await nothing_follows(house, runs=0)
    else:
        await house.heard(TaskSettled)
        assert await house.status("task") is Status.SUCCEEDED


async def test_a_lost_store_does_not_cut_what_runs(house: House) -> None:
    """A record that is gone without a delete says nothing: the fetch goes on."""
    house.target.gate.clear()
    cut: list[bool] = []

    def answer(attempting: Attempting) -> Outcome:
        cut.append(attempting.cancelled)
        return OK

    house.target.answer = answer
    looks = 0

    async def count(_answer: object) -> None:
        nonlocal looks
        looks += 1

    watched = interposed(house.store, "wanted", count)
    await house.consumer(watched)
    await house.submit(id="task")
    await house.until_runs(1)
    await house.lose_store()
    await house.poll(lambda: looks >= 2)
    house.target.gate.set()
    await house.poll(lambda: bool(cut))
    assert cut == [False]


@pytest.mark.parametrize("cut", CUTS)
async def test_who_cancels_many_dies_between_the_writes(house: House, cut: Cut) -> None:
    """Those that wait are cancelled, those that run perhaps; the same again does the rest."""
    house.target.answer = until_cut
    await house.submit(id="task")
    await house.consumer()
    await house.until_runs(1)
    await house.submit(id="later", delay=60)
    store, _ = severable(house.store, "settle", cut)
    records = [await house.record("later"), await house.record("task")]
    with pytest.raises(StoreUnavailable):
        await house.make_cancellation(store).cancel_all(records)
    assert await house.status("later") is Status.CANCELLED
    assert (await house.status("task") is Status.CANCELLED) is (cut is Cut.AFTER)
    swept = await house.sweep.tasks(Action.CANCEL, Selection(), limit=10, cursor=None)
    assert (swept.matched, swept.cursor) == (int(cut is Cut.BEFORE), None)
    assert await house.status("task") is Status.CANCELLED
