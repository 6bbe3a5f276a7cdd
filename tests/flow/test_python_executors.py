"""Tasks of Python handlers: they wait for their handler, have results, and tell their progress."""

import asyncio
from datetime import timedelta

import pytest

from taskrunner.domain.events import TaskSettled, TasksSnoozed
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.unserved import UNSERVED_PAUSE, unserved
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.python.result import outcome_of
from tests.flow.local_runner import DEADLINE, OK, LocalRunner
from tests.tools.executors import executor, with_executors
from tests.tools.waiting import eventually, last_look

PUT_OFF = "The handler put the task off for 60 s: sold out"


async def test_a_task_waits_for_a_consumer_with_its_handler(runner: LocalRunner) -> None:
    """It is snoozed with the reason, uses up no attempt, and runs as soon as a consumer has the handler."""
    runner.task_settings.current = with_executors(executor())
    await runner.consumer(executors=frozenset({"another"}))
    raw = '{"executor": "resize_image", "max_attempts": 1}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    for times in (1, 2, 3):
        await runner.heard(TasksSnoozed, times)
        record = await runner.record(submitted.id)
        assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 0, times)
        assert record.waits_for == unserved("resize_image")
        if times == 3:
            await runner.consumers[0].stop(0.0, asyncio.Event())
            await runner.consumer()
        await runner.later(UNSERVED_PAUSE)
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.SUCCEEDED
    assert runner.target.ledger == [(submitted.id, 1)]


@pytest.mark.parametrize("kind", [ExecutorKind.REMOTE, ExecutorKind.HTTP])
async def test_a_handler_runs_no_task_of_another_kind(kind: ExecutorKind, runner: LocalRunner) -> None:
    """Its executor was refused, since the name is another's."""
    runner.task_settings.current = with_executors(executor())
    raw = '{"executor": "resize_image"}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    runner.task_settings.current.executors.set([executor(kind=kind)])
    await runner.consumer(executors=frozenset({"resize_image"}))
    await runner.heard(TasksSnoozed)
    assert (await runner.record(submitted.id)).waits_for == unserved("resize_image")
    assert runner.target.ledger == []


async def test_the_result_of_a_handler_is_kept_like_an_answer(runner: LocalRunner) -> None:
    """Its JSON is the body; it has no status and is about no host."""
    runner.task_settings.current = with_executors(executor())
    runner.target.answer = lambda context: outcome_of({"width": 10}, max_bytes=100)
    await runner.consumer()
    raw = '{"executor": "resize_image"}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    await runner.heard(TaskSettled)
    record = await runner.record(submitted.id)
    assert record.result is not None
    assert (record.result.status, record.result.content_type) == (None, "application/json")
    assert (record.result.size_bytes, record.attempts[0].status_code) == (12, None)
    assert await runner.store.body(submitted.id) == b'{"width":10}'


async def test_a_handler_can_cancel_its_task(runner: LocalRunner) -> None:
    runner.task_settings.current = with_executors(executor())
    runner.target.answer = lambda context: Outcome(kind=OutcomeKind.CANCELLED, error="not wanted")
    await runner.consumer()
    raw = '{"executor": "resize_image"}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    await runner.heard(TaskSettled)
    record = await runner.record(submitted.id)
    assert (record.status, record.error, record.due) == (Status.CANCELLED, "not wanted", None)


async def test_a_handler_can_put_its_task_off(runner: LocalRunner) -> None:
    """Until then it is scheduled and says why; then it runs, with all of its attempts left."""
    runner.task_settings.current = with_executors(executor())
    ends = iter([Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=60, error=PUT_OFF), OK])
    runner.target.answer = lambda context: next(ends)
    await runner.consumer()
    raw = '{"executor": "resize_image"}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    await runner.heard(TaskSettled)
    waits = await runner.record(submitted.id)
    assert (waits.status, waits.snoozes, waits.attempts[0].counted) == (Status.SCHEDULED, 1, False)
    assert waits.due == runner.clock.now() + timedelta(seconds=60)
    assert waits.waits_for == waits.attempts[0].error == PUT_OFF
    await runner.later(61)
    await runner.heard(TaskSettled, 2)
    record = await runner.record(submitted.id)
    assert (record.status, record.snoozes, record.waits_for) == (Status.SUCCEEDED, 1, None)
    assert (record.error, record.attempt_limit) == (None, waits.attempt_limit)


async def test_what_an_attempt_says_of_its_progress_shows_while_it_runs(runner: LocalRunner) -> None:
    """The lease keeper writes it, with what it said last."""
    runner.task_settings.current = with_executors(executor())
    runner.target.gate.clear()
    running: list[AttemptContext] = []

    def answer(context: AttemptContext) -> Outcome:
        running.append(context)
        assert last_look(
            lambda: context.progress is not None and context.progress.fraction == 1, within=DEADLINE
        )
        return OK

    runner.target.answer = answer
    await runner.consumer()
    raw = '{"executor": "resize_image"}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    runner.target.gate.set()
    await eventually(lambda: running)
    for fraction in (0.25, 0.5):
        running[0].progress = Progress.of(fraction, "at work", attempt=1)

        async def shows(told: Progress | None = running[0].progress) -> bool:
            return (await runner.record(submitted.id)).progress == told

        await eventually(shows)
    running[0].progress = Progress.of(1, attempt=1)
    await runner.heard(TaskSettled)
    assert (await runner.record(submitted.id)).progress is None
