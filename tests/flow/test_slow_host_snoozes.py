"""Tasks that were snoozed for a slow host come back when it turns out to be fast."""

from datetime import timedelta

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.incoming_message import read_message
from taskrunner.consumer.snoozer import PendingSnooze, Snoozer
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import HOLD, LocalRunner
from tests.tools.waiting import eventually

LATER = timedelta(minutes=4)


async def pending(runner: LocalRunner, stats: HostStats) -> PendingSnooze:
    """A task of a slow host that is about to be snoozed."""
    deliveries: list[Delivery] = []
    runner.broker.consume(["medium"], 10, deliveries.append)
    await runner.submit(id="task")
    await eventually(lambda: bool(deliveries))
    found = read_message(deliveries[0], None, runner.task_settings.current, now=runner.clock.now())
    waiting = WaitingDelivery(found.envelope, deliveries[0])
    return PendingSnooze(waiting, "slow", runner.clock.now() + LATER, stats)


def snoozer_of(runner: LocalRunner) -> Snoozer:
    return Snoozer(
        runner.store,
        runner.broker,
        runner.events,
        runner.clock,
        hold=HOLD,
        handlers=frozenset(),
        executors=runner.task_settings.current.executors,
    )


async def is_due(runner: LocalRunner) -> bool:
    record = await runner.record("task")
    assert record.due is not None
    return record.status is Status.SCHEDULED and record.due <= runner.clock.now()


@pytest.mark.parametrize("turns_before", [0, 1], ids=["before it is snoozed", "afterwards"])
async def test_a_task_comes_back_whenever_its_host_turns_fast(runner: LocalRunner, turns_before: int) -> None:
    """The snooze that waited for its turn does not undo that."""
    stats, snoozer = HostStats("target.test", None, unmeasured=False, slow=True), snoozer_of(runner)
    snoozer.submit([await pending(runner, stats)])
    for _ in range(turns_before):
        await snoozer.turn()
        assert not await is_due(runner)
    stats.slow = False
    await snoozer.turn()
    assert await is_due(runner)


async def test_a_task_comes_back_once_the_store_is_there_again(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats, snoozer = HostStats("target.test", None, unmeasured=False, slow=True), snoozer_of(runner)
    snoozer.submit([await pending(runner, stats)])
    await snoozer.turn()
    stats.slow = False

    async def away(*given: object, **named: object) -> None:
        raise StoreUnavailable("away for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(runner.store, "snooze", away)
        with pytest.raises(StoreUnavailable):
            await snoozer.turn()
    await snoozer.turn()
    assert await is_due(runner)


async def test_what_is_due_is_remembered_no_more(runner: LocalRunner) -> None:
    """A host may stay slow for ever: then nothing is left to look at."""
    stats, snoozer = HostStats("target.test", None, unmeasured=False, slow=True), snoozer_of(runner)
    snoozer.submit([await pending(runner, stats)])
    watching = await snoozer.turn()
    runner.clock.advance(LATER.total_seconds())
    assert await snoozer.turn() > 10 * watching
