"""The autoscaler beside a consumer: workers by load, and none after the end."""

import asyncio

from taskrunner.consumer.autoscaler import Autoscaler
from taskrunner.domain.events import WorkersScaled
from taskrunner.domain.scaling import ScalingSettings
from tests.flow.local_runner import LocalRunner


async def test_no_worker_is_started_after_the_end(runner: LocalRunner) -> None:
    """The autoscaler outlives its consumer's stop, to replace hung workers, and must not refill the pool."""
    consumer = await runner.consumer(workers=0)
    bounds = ScalingSettings(min_workers=2, max_workers=4)
    autoscaler = Autoscaler(consumer, runner.broker, runner.events, bounds, interval=60)
    await autoscaler.turn()
    assert consumer.pool.total == 2
    await consumer.stop(0, asyncio.Event())
    await autoscaler.turn()
    assert consumer.pool.total == 0
    assert [(event.before, event.after) for event in runner.told(WorkersScaled)] == [(0, 2)]
