"""The supervisor beside a consumer: workers by load, and none after the end."""

import asyncio

from taskrunner.consumer.supervisor import Supervisor
from taskrunner.domain.events import WorkersScaled
from taskrunner.domain.scaling import Bounds
from tests.flow.house import House


async def test_no_worker_is_hired_after_the_end(house: House) -> None:
    """A supervisor outlives its consumer's stop, to write off what hangs; it must not fill the pool again."""
    consumer = await house.consumer(workers=0)
    supervisor = Supervisor(
        consumer,
        house.broker,
        house.events,
        Bounds(min_workers=2, max_workers=4),
        interval=60,
    )
    await supervisor.turn()
    assert consumer.pool.total == 2
    await consumer.stop(0, asyncio.Event())
    await supervisor.turn()
    assert consumer.pool.total == 0
    assert [(event.before, event.after) for event in house.told(WorkersScaled)] == [(0, 2)]
