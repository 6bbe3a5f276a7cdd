"""An outage of the store may have cost it writes: what is queued in an empty lane is looked at soon."""

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import TaskSettled
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.producer.recall import Recall
from taskrunner.producer.relay import Relay
from tests.flow.house import FORGOTTEN, HOLD, House
from tests.tools.severed import severable


async def bear_outage(house: House) -> Relay:
    """A relay that has met one, and knows that it is over."""
    store, line = severable(house.store)
    relay = house.make_relay(store)
    line.sever()
    with pytest.raises(StoreUnavailable):
        await relay.turn()
    line.mend()
    await relay.turn()
    return relay


async def after_hold(house: House, *relays: Relay) -> int:
    """How many messages there are when each relay has recalled, and acted on that."""
    house.clock.advance(HOLD)
    for relay in relays * 2:
        await relay.turn()
    return (await house.broker.depths())[Lane.MEDIUM]


async def test_a_task_whose_claim_was_lost_runs_soon(house: House) -> None:
    """Its message was acked when its end was refused; it need not wait until it counts as forgotten."""
    await house.submit(id="task")
    house.broker.lose(Lane.MEDIUM)
    relay = await bear_outage(house)
    await relay.turn()
    assert (await house.broker.depths())[Lane.MEDIUM] == 0
    assert await after_hold(house, relay) == 1
    await house.consumer()
    await house.heard(TaskSettled)
    assert await house.status("task") is Status.SUCCEEDED


async def test_two_relays_publish_it_once(house: House) -> None:
    """The second sees that it was published since."""
    await house.submit(id="task")
    house.broker.lose(Lane.MEDIUM)
    relays = [await bear_outage(house), await bear_outage(house)]
    assert await after_hold(house, *relays) == 1


async def test_what_waits_in_its_lane_is_left_there(house: House) -> None:
    """A lane that is not empty was not forgotten."""
    await house.submit(id="task")
    assert await after_hold(house, await bear_outage(house)) == 1


async def test_what_was_published_since_is_left_alone(house: House) -> None:
    """It is the broker's, as ever; another lane's messages make no difference."""
    relay = await bear_outage(house)
    house.clock.advance(1)
    await house.submit(id="task")
    await house.submit(id="other", priority="low")
    house.broker.lose(Lane.MEDIUM)
    assert await after_hold(house, relay) == 0
    house.clock.advance(FORGOTTEN)
    await relay.turn()
    assert (await house.broker.depths())[Lane.MEDIUM] == 1


async def test_the_broker_is_away_meanwhile(house: House) -> None:
    """The recall waits for it."""
    await house.submit(id="task")
    house.broker.lose(Lane.MEDIUM)
    relay = await bear_outage(house)
    house.broker.disconnect()
    house.clock.advance(HOLD)
    await relay.turn()
    house.broker.reconnect()
    assert await after_hold(house, relay) == 1


async def test_a_turn_recalls_no_more_than_a_batch(house: House) -> None:
    """Many queued tasks are gone through page by page."""
    for number in range(5):
        await house.submit(id=f"task-{number}")
    house.broker.lose(Lane.MEDIUM)
    recall = Recall(house.store, house.broker, batch_size=2, forgotten_after=FORGOTTEN)
    now = house.clock.now()
    recall.begin(now)
    recalled = []
    for _ in range(4):
        await recall.turn(now)
        recalled.append(len(await house.store.take_due(now=now, limit=10, hold=HOLD)))
    assert recalled == [2, 2, 1, 0]
