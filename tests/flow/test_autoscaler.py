"""The supervisor beside a consumer: workers by load, and none after the end."""

import asyncio

from taskrunner.consumer.autoscaler import Autoscaler
from taskrunner.domain.events import WorkersScaled
from taskrunner.domain.scaling import ScalingSettings
from tests.flow.local_runner import LocalRunner


async def test_no_worker_is_hired_after_the_end(runner: LocalRunner) -> None:
    """A supervisor outlives its consumer's stop, to write off what hangs; it must not fill the pool again."""
    consumer = await runner.consumer(workers=0)
    supervisor = Autoscaler(
        consumer,
        runner.broker,
        runner.events,
        ScalingSettings(min_workers=2, max_workers=4),
        interval=60,
    )
    await supervisor.turn()
    assert consumer.pool.total == 2
    await consumer.stop(0, asyncio.Event())
    await supervisor.turn()
    assert consumer.pool.total == 0
    assert [(event.before, event.after) for event in runner.told(WorkersScaled)] == [(0, 2)]
