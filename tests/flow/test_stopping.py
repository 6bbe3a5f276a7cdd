"""A consumer that stops: what runs may finish or is given up without counting, what waits goes back."""

import asyncio

from taskrunner.domain.events import TaskSettled
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import DEADLINE, LocalRunner


async def test_a_graceful_stop_lets_running_tasks_finish(runner: LocalRunner) -> None:
    """What runs is settled, what waits goes back to the broker and runs elsewhere, once."""
    runner.target.gate.clear()
    consumer = await runner.consumer(workers=1)
    for name in ("first", "second"):
        await runner.submit(id=name)
    await runner.until_runs(1)
    stopping = asyncio.create_task(consumer.stop(30, asyncio.Event()))
    await asyncio.sleep(0)
    runner.target.gate.set()
    await asyncio.wait_for(stopping, DEADLINE)
    assert await runner.status("first") is Status.SUCCEEDED
    await runner.consumer()
    await runner.heard(TaskSettled, 2)
    assert sorted(runner.target.ledger) == [("first", 1), ("second", 1)]


async def test_an_abort_does_not_count_the_attempt(runner: LocalRunner) -> None:
    """With a single attempt allowed, an interrupted one is made again and succeeds."""
    runner.target.gate.clear()
    consumer = await runner.consumer()
    await runner.submit(id="task", max_attempts=1)
    await runner.until_runs(1)
    abort = asyncio.Event()
    abort.set()
    await asyncio.wait_for(consumer.stop(10 * DEADLINE, abort), DEADLINE)
    runner.target.gate.set()
    record = await runner.record("task")
    assert (record.status, record.attempts[0].outcome) == (Status.RETRYING, OutcomeKind.INTERRUPTED)
    assert not record.attempts[0].counted
    await runner.consumer()
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    record = await runner.record("task")
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 2, 2)


async def test_the_grace_time_ends(runner: LocalRunner) -> None:
    """A task that runs for longer than the grace is given up without counting."""
    runner.target.gate.clear()
    consumer = await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await asyncio.wait_for(consumer.stop(0.05, asyncio.Event()), DEADLINE)
    assert await runner.status("task") is Status.RETRYING
