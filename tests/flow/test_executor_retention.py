"""The retention of an executor: never so short that a message of an ended task outlives its record."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from taskrunner.domain.errors import ExecutorInvalid
from taskrunner.domain.events import DeadLetterCollected, DeliveryDropped, TaskAdopted, TaskExpired
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.flow.local_runner import RETENTION, LocalRunner
from tests.tools.executors import executor, with_executors

MINUTE = 60.0
DEDUP = {"key": "k", "mode": "replace"}
End = Callable[[LocalRunner], Awaitable[None]]


async def submit(runner: LocalRunner, **fields: object) -> None:
    limits = runner.task_settings.current.limits
    await runner.intake.submit(TaskDraft.from_fields({"executor": "resize_image", **fields}, limits))


async def cancel(runner: LocalRunner) -> None:
    await runner.cancellation.cancel("task")


async def expire(runner: LocalRunner) -> None:
    runner.clock.advance(30)
    await runner.make_cleaner().turn()
    await runner.heard(TaskExpired)


async def replace(runner: LocalRunner) -> None:
    await submit(runner, id="next", dedup=DEDUP, delay=86_400)


async def reject(runner: LocalRunner) -> None:
    runner.collect()
    runner.broker.dead_letter_ready("medium", "rejected")
    await runner.heard(DeadLetterCollected)


@pytest.mark.parametrize(
    ("end", "status_retention"),
    [
        (cancel, RETENTION.cancelled),
        (expire, RETENTION.failed),
        (replace, RETENTION.cancelled),
        (reject, RETENTION.failed),
    ],
)
@pytest.mark.parametrize("own", [MINUTE, 100 * 86_400.0])
async def test_a_task_that_ends_while_it_waits_is_kept_for_its_status_too(
    runner: LocalRunner, end: End, status_retention: float, own: float
) -> None:
    """Its message may stay in the queue for as long as no consumer runs."""
    settings = runner.task_settings
    settings.current = with_executors(executor(retention=own), settings=settings.current)
    expires_at = (runner.clock.now() + timedelta(seconds=30)).isoformat()
    await submit(runner, id="task", dedup=DEDUP, **({"expires_at": expires_at} if end is expire else {}))
    await end(runner)
    kept_until = (await runner.record("task")).kept_until
    assert kept_until is not None
    seconds = (kept_until - runner.clock.now()).total_seconds()
    assert seconds == pytest.approx(max(own, status_retention), abs=1)


async def test_a_cancelled_task_does_not_run_when_its_own_retention_is_over(runner: LocalRunner) -> None:
    settings = runner.task_settings
    settings.current = with_executors(executor(retention=MINUTE), settings=settings.current)
    await submit(runner, id="task")
    await cancel(runner)
    await runner.later(2 * MINUTE)
    await runner.consumer()
    await runner.heard(DeliveryDropped)
    assert (runner.target.runs("task"), runner.told(TaskAdopted)) == (0, [])


@pytest.mark.parametrize("retention", [0, 1, 59.9, "59s"])
def test_an_executor_keeps_its_tasks_for_a_minute_at_least(retention: object) -> None:
    """As `Retention` of the configuration."""
    with pytest.raises(ExecutorInvalid, match="retention: "):
        ExecutorDraft.from_json(json.dumps({"kind": "python", "retention": retention}), TaskLimits())
