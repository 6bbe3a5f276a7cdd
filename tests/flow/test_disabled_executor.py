"""While an executor is disabled, its tasks wait, whichever way they came to wait; then they go on."""

from collections.abc import Awaitable, Callable

import pytest

from taskrunner.domain.events import TaskSettled
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.producer.executor_admin import ExecutorAdmin
from tests.flow.local_runner import HOLD, LEASE, OK, LocalRunner, http_error
from tests.flow.test_executors import admin, make, submit
from tests.tools.waiting import eventually

__all__ = ["admin"]

DELAY = 60.0
# Long enough for every hold, delay and lease in between.
LATER = DELAY + HOLD + LEASE
Way = Callable[[LocalRunner, ExecutorAdmin], Awaitable[None]]


async def set_enabled(runner: LocalRunner, executors: ExecutorAdmin, enabled: str) -> None:
    await executors.patch("resize_image", b'{"enabled": %s}' % enabled.encode())
    await runner.pauses.turn()


async def ended(runner: LocalRunner, first: Outcome) -> None:
    """The first attempt has ended so; the second succeeds."""
    runner.target.script(first, OK)
    await runner.consumer()
    await submit(runner, id="task", retry={"strategy": "constant", "base": DELAY})
    await runner.heard(TaskSettled)


async def delayed(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    await runner.consumer()
    await submit(runner, id="task", delay=DELAY)
    await set_enabled(runner, executors, "false")


async def published(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    """Its message is in the queue."""
    await submit(runner, id="task")
    await runner.publisher.drain()
    await set_enabled(runner, executors, "false")
    await runner.consumer()


async def retried(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    await ended(runner, Outcome(kind=OutcomeKind.HANDLER_ERROR, error="no"))
    await set_enabled(runner, executors, "false")


async def snoozed(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    await ended(runner, Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=DELAY, error="later"))
    await set_enabled(runner, executors, "false")


async def requeued(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    await ended(runner, http_error(404))
    await set_enabled(runner, executors, "false")
    await runner.requeue.requeue("task")


async def requeued_with_others(runner: LocalRunner, executors: ExecutorAdmin) -> None:
    """As an operation does."""
    await ended(runner, http_error(404))
    await set_enabled(runner, executors, "false")
    letter = await runner.store.dead_letter("task")
    assert letter is not None
    assert (await runner.requeue.requeue_all([letter])).ids == ["task"]


@pytest.mark.parametrize(
    "way",
    [delayed, published, retried, snoozed, requeued, requeued_with_others],
    ids=lambda way: way.__name__,
)
async def test_a_task_waits_and_goes_on(runner: LocalRunner, admin: ExecutorAdmin, way: Way) -> None:
    await make(admin)
    await way(runner, admin)
    runs = runner.target.runs("task")
    for _ in range(3):
        await runner.later(LATER)
    record = await runner.record("task")
    assert record.status in LIVE - {Status.RUNNING}
    assert (runner.target.runs("task"), record.finished_at) == (runs, None)
    await set_enabled(runner, admin, "true")
    # Once: the clock must not move on while the attempt runs, whose lease would be over.
    await runner.later(LATER)
    await eventually(lambda: runner.has_status("task", Status.SUCCEEDED))
    assert runner.target.runs("task") == runs + 1
