"""An outage of the store may have cost it writes: what is queued in an empty queue is looked at soon."""

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import TaskSettled
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.outage_recovery import OutageRecovery
from taskrunner.producer.relay import Relay
from tests.flow.local_runner import FORGOTTEN, HOLD, LocalRunner
from tests.tools.severed import severable


async def bear_outage(runner: LocalRunner) -> Relay:
    """A relay that has met one, and knows that it is over, a second after whatever was before."""
    runner.clock.advance(1)
    store, line = severable(runner.store)
    relay = runner.make_relay(store)
    line.sever()
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    return relay


async def after_hold(runner: LocalRunner, *relays: Relay) -> int:
    """How many messages there are when each relay has recalled, and acted on that."""
    runner.clock.advance(HOLD)
    for relay in relays * 2:
        await relay.turn()
    return (await runner.broker.depths())["medium"]


async def test_a_task_whose_claim_was_lost_runs_soon(runner: LocalRunner) -> None:
    """Its message was acked when its end was refused; it need not wait until it counts as forgotten."""
    await runner.submit(id="task")
    runner.broker.lose("medium")
    relay = await bear_outage(runner)
    await relay.turn()
    assert (await runner.broker.depths())["medium"] == 0
    assert await after_hold(runner, relay) == 1
    await runner.consumer()
    await runner.heard(TaskSettled)
    assert await runner.status("task") is Status.SUCCEEDED


async def test_a_start_is_as_an_outage(runner: LocalRunner) -> None:
    """A power cut ended the store and all of ours; what starts then has seen none."""
    await runner.submit(id="task")
    runner.broker.lose("medium")
    runner.clock.advance(1)
    assert await after_hold(runner, runner.make_relay(runner.store)) == 1


async def test_two_relays_publish_it_once(runner: LocalRunner) -> None:
    """The second sees that it was published since."""
    await runner.submit(id="task")
    runner.broker.lose("medium")
    relays = [await bear_outage(runner), await bear_outage(runner)]
    assert await after_hold(runner, *relays) == 1


async def test_what_waits_in_its_queue_is_left_there(runner: LocalRunner) -> None:
    """A queue that is not empty was not forgotten."""
    await runner.submit(id="task")
    assert await after_hold(runner, await bear_outage(runner)) == 1


async def test_what_was_published_since_is_left_alone(runner: LocalRunner) -> None:
    """It is the broker's, as ever; another queue's messages make no difference."""
    relay = await bear_outage(runner)
    runner.clock.advance(1)
    await runner.submit(id="task")
    await runner.submit(id="other", priority="low")
    runner.broker.lose("medium")
    assert await after_hold(runner, relay) == 0
    runner.clock.advance(FORGOTTEN)
    await relay.turn()
    assert (await runner.broker.depths())["medium"] == 1


async def test_the_broker_is_away_meanwhile(runner: LocalRunner) -> None:
    """The outage_recovery waits for it."""
    await runner.submit(id="task")
    runner.broker.lose("medium")
    relay = await bear_outage(runner)
    runner.broker.disconnect()
    runner.clock.advance(HOLD)
    await relay.turn()
    runner.broker.reconnect()
    assert await after_hold(runner, relay) == 1


async def test_a_turn_recalls_no_more_than_a_batch(runner: LocalRunner) -> None:
    """Many queued tasks are gone through page by page."""
    for number in range(5):
        await runner.submit(id=f"task-{number}")
    runner.broker.lose("medium")
    outage_recovery = OutageRecovery(runner.store, runner.broker, batch_size=2, forgotten_after=FORGOTTEN)
    runner.clock.advance(1)
    now = runner.clock.now()
    outage_recovery.begin(now)
    recalled = []
    for _ in range(4):
        await outage_recovery.turn(now)
        recalled.append(len(await runner.store.take_due(now=now, limit=10, hold=HOLD)))
    assert recalled == [2, 2, 1, 0]
