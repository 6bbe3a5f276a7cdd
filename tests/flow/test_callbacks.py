"""Callbacks: every end is told once, whoever ends the task and whoever dies on the way."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeadLetterCollected, SettleRefused, TaskSettled
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.report import LABEL
from taskrunner.domain.tasks.status import Status
from taskrunner.handlers.base import AttemptContext
from tests.flow.local_runner import HOLD, LEASE, OK, LocalRunner, http_error
from tests.flow.test_deadlines import end
from tests.tools.severed import Cut, severable

CUTS = list(Cut)
TOLD = "http://told.test/"


async def submit(runner: LocalRunner, **fields: Any) -> None:
    await runner.submit(id="task", callback={"url": TOLD}, **fields)


async def callbacks(runner: LocalRunner) -> list[Record]:
    """Of the task, the first of them first."""
    page = await runner.store.list_tasks(None, limit=99, cursor=None)
    return [record for record in reversed(page.items) if record.task.labels.get(LABEL) == "task"]


async def told(runner: LocalRunner) -> list[str]:
    """What the callbacks that there are say, wherever they stand."""
    messages: list[dict[str, Any]] = [
        json.loads(record.task.body or "") for record in await callbacks(runner)
    ]
    assert [message["data"]["id"] for message in messages] == ["task"] * len(messages)
    return [message["type"] for message in messages]


def answering(*outcomes: Outcome, callback: Sequence[Outcome] = (OK,)) -> Any:
    """The target's answers by number of attempt, and those of who is told."""

    def answer(context: AttemptContext) -> Outcome:
        script = callback if context.task.url == TOLD else outcomes
        return script[min(context.number, len(script)) - 1]

    return answer


@pytest.mark.parametrize(
    ("outcome", "event"), [(OK, "task.succeeded"), (http_error(404), "task.failed")], ids=["ok", "404"]
)
async def test_an_end_is_told(runner: LocalRunner, outcome: Outcome, event: str) -> None:
    """By a task of its own, which runs, ends, and tells nobody of its own end."""
    runner.target.answer = answering(outcome)
    await runner.consumer()
    await submit(runner)
    await runner.heard(TaskSettled)
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    assert await told(runner) == [event]
    (record,) = await callbacks(runner)
    assert record.status is Status.SUCCEEDED
    await runner.later(HOLD)
    assert sum((await runner.store.counts()).values()) == 2


async def test_only_the_last_of_several_attempts_is_told(runner: LocalRunner) -> None:
    runner.target.answer = answering(http_error(503), OK)
    await runner.consumer()
    await submit(runner, retry={"strategy": "constant", "base": 0})
    await runner.heard(TaskSettled)
    assert await told(runner) == []
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    assert await told(runner) == ["task.succeeded"]


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_settle(runner: LocalRunner, cut: Cut) -> None:
    """End and callback are written together or not at all; the next attempt, if there is one, tells."""
    store, line = severable(runner.store, "settle", cut)
    await runner.consumer(store)
    await submit(runner)
    await line.cut_off.wait()
    assert await told(runner) == (["task.succeeded"] if cut is Cut.AFTER else [])
    await runner.consumer()
    await runner.break_connections()
    await runner.later(LEASE)
    await runner.later(10)
    await runner.heard(TaskSettled)
    await runner.later(HOLD)
    assert await runner.status("task") is Status.SUCCEEDED
    assert await told(runner) == ["task.succeeded"]


async def test_a_task_that_loses_its_last_worker_is_told(runner: LocalRunner) -> None:
    """It fails by the relay's hand, in one step with its callback."""
    runner.target.gate.clear()
    store, line = severable(runner.store)
    await runner.consumer(store)
    await submit(runner, max_attempts=1)
    await runner.until_runs(1)
    line.sever()
    await runner.later(LEASE)
    assert await runner.status("task") is Status.FAILED
    assert await told(runner) == ["task.failed"]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cancel_is_told(runner: LocalRunner, cut: Cut) -> None:
    """Also if whoever cancelled died at the write."""
    await submit(runner, delay=60)
    store, _ = severable(runner.store, "cancel", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(store).cancel("task")
    await runner.cancellation.cancel("task")
    assert await told(runner) == ["task.cancelled"]


async def test_a_cancel_of_what_runs_is_told_and_the_late_answer_is_not(runner: LocalRunner) -> None:
    """The worker's own settle is refused with all that is in it."""
    runner.target.gate.clear()
    await runner.consumer()
    await submit(runner)
    await runner.until_runs(1)
    await runner.cancellation.cancel("task")
    runner.target.gate.set()
    await runner.heard(SettleRefused)
    assert await told(runner) == ["task.cancelled"]


@pytest.mark.parametrize("method", ["past_deadline", "fail"])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_deadline_that_passes_is_told(runner: LocalRunner, method: str, cut: Cut) -> None:
    """Once, also if a cleaner died at it."""
    await submit(runner, expires_at=end(runner, 60))
    runner.clock.advance(60)
    store, _ = severable(runner.store, method, cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cleaner(store).turn()
    for _ in range(2):
        await runner.make_cleaner().turn()
    assert await told(runner) == ["task.failed"]


async def test_a_requeued_task_is_told_of_twice(runner: LocalRunner) -> None:
    """Each end has a callback of its own, with another id."""
    runner.target.answer = answering(http_error(404), OK)
    await runner.consumer()
    await submit(runner)
    await runner.heard(TaskSettled)
    await runner.requeue.requeue("task")
    await runner.heard(TaskSettled, 2)
    assert await told(runner) == ["task.failed", "task.succeeded"]
    first, second = await callbacks(runner)
    assert first.task.id != second.task.id


async def test_a_callback_that_fails_leaves_the_task_as_it_is(runner: LocalRunner) -> None:
    """It has its own attempts and history, becomes a dead letter of its own, and can be requeued."""
    runner.target.answer = answering(OK, callback=[http_error(500), http_error(410)])
    await runner.consumer()
    await submit(runner)
    await runner.heard(TaskSettled)
    before = await runner.record("task")
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    await runner.later(60)
    await runner.heard(TaskSettled, 3)
    (record,) = await callbacks(runner)
    assert (record.status, [each.status_code for each in record.attempts]) == (Status.FAILED, [500, 410])
    assert await runner.record("task") == before
    assert await runner.store.dead_letter(record.task.id) is not None
    await runner.later(HOLD)
    assert len(await callbacks(runner)) == 1


async def test_a_dead_lettered_task_is_told(runner: LocalRunner) -> None:
    """Nobody could do anything with its envelope."""
    runner.collect()
    await submit(runner)
    runner.broker.consume(["medium"], 1, lambda delivery: runner.broker.reject([delivery]))
    await runner.heard(DeadLetterCollected)
    assert await told(runner) == ["task.failed"]


async def test_only_the_events_that_were_asked_for(runner: LocalRunner) -> None:
    await runner.consumer()
    await runner.submit(id="task", callback={"url": TOLD, "events": ["failed", "cancelled"]})
    await runner.heard(TaskSettled)
    assert await told(runner) == []


async def test_a_deleted_task_is_not_told(runner: LocalRunner) -> None:
    """To delete is no end."""
    await submit(runner, delay=60)
    await runner.cancellation.delete("task")
    assert await told(runner) == []
