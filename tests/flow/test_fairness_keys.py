"""Two customers on one host: the tasks of one do not hold up those of the other."""

import threading

from taskrunner.domain.events import TaskSettled, TasksSnoozed
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.handlers.base import AttemptContext
from tests.flow.local_runner import DEADLINE, OK, LocalRunner
from tests.tools.waiting import eventually

URL = "http://shared.test/"


async def submit_many(runner: LocalRunner, key: str, count: int) -> None:
    limits = runner.task_settings.current.limits
    drafts = [TaskDraft.from_fields({"url": URL, "fairness_key": key}, limits) for _ in range(count)]
    await runner.intake.submit_many(list(map(runner.intake.prepare, drafts)))
    await runner.publisher.drain()


def settled(runner: LocalRunner, key: str) -> int:
    return sum(event.task.fairness_key == key for event in runner.told(TaskSettled))


async def test_a_customer_gets_through_behind_far_more_tasks_than_are_held(runner: LocalRunner) -> None:
    """Those of the big one are put off until the small one's are seen; then both take turns."""
    begins = threading.Event()

    def answer(context: AttemptContext) -> Outcome:
        assert context.task.fairness_key is None or begins.wait(DEADLINE)
        return OK

    runner.target.answer = answer
    consumer = await runner.consumer(workers=1, prefetch=30)
    await runner.submit(URL)
    await runner.heard(TaskSettled)
    await submit_many(runner, "big", 200)
    await submit_many(runner, "small", 10)

    def is_seen() -> bool:
        return sum(each.count for each in runner.told(TasksSnoozed)) >= 180 and len(consumer.backlog) < 30

    try:
        await eventually(is_seen)
    finally:
        begins.set()
    await runner.until(lambda: settled(runner, "small") == 10, "all tasks of the small customer")
    # What was put off waits for the clock, which stands still.
    assert settled(runner, "big") <= 30
