"""The autoscaler beside a consumer: workers by load, and none after the end."""

import asyncio

from taskrunner.consumer.autoscaler import Autoscaler
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import WorkersScaled
from taskrunner.domain.fleet.scaling import ScalingSettings
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.producer.queue_admin import QueueAdmin
from tests.flow.local_runner import LocalRunner


async def test_only_queues_that_are_served_count(runner: LocalRunner) -> None:
    """A full queue of others starts no worker here; one that is declared while the consumer runs does."""
    await QueueAdmin(runner.store, runner.broker, runner.queues, SystemClock()).put("mails", QueueDraft())
    consumer = await runner.consumer(workers=0, queues=("mails", "reports"), prefetch=1)
    bounds = ScalingSettings(min_workers=1, max_workers=9)
    autoscaler = Autoscaler(consumer, runner.broker, runner.events, bounds, interval=60)
    runner.target.gate.clear()
    consumer.pool.resize(1)
    for _ in range(20):
        await runner.submit()
    await autoscaler.turn()
    assert consumer.pool.total == 1
    await QueueAdmin(runner.store, runner.broker, runner.queues, SystemClock()).put("reports", QueueDraft())
    for _ in range(20):
        await runner.submit(queue="reports")
    await autoscaler.turn()
    assert consumer.pool.total == 9


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
