"""Tasks of an executor: the same records, fences and retries as requests have."""

from taskrunner.domain.events import TaskSettled
from taskrunner.domain.outcome import Outcome
from taskrunner.domain.status import Status
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.handlers.base import AttemptContext
from tests.flow.local_runner import OK, LocalRunner, http_error
from tests.tools.executors import executor, with_executors


async def test_a_task_of_an_executor_runs_as_any_other(runner: LocalRunner) -> None:
    """No host holds it back, and its data reaches the handler as it was spelt."""
    runner.task_settings.current = with_executors(executor())
    seen: list[tuple[str | None, str | None]] = []

    def answer(context: AttemptContext) -> Outcome:
        seen.append((context.task.executor, context.task.body))
        return OK if context.number > 1 else http_error(503)

    runner.target.answer = answer
    await runner.consumer()
    raw = '{"executor": "resize_image", "data": {"width" : 1e2}, "retry": {"delays": [5]}}'
    draft = TaskDraft.from_json(raw, runner.task_settings.current.limits)
    submitted = await runner.intake.submit(draft)
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.RETRYING
    await runner.later(5)
    await runner.heard(TaskSettled, 2)
    assert await runner.status(submitted.id) is Status.SUCCEEDED
    assert seen == [("resize_image", '{"width" : 1e2}')] * 2
