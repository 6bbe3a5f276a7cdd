"""Callbacks: every end is told once, whoever ends the task and whoever dies on the way."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeadLetterCollected, SettleRefused, TaskSettled
from taskrunner.domain.follow_up import LABEL
from taskrunner.domain.outcome import Outcome
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.handlers.base import Attempting
from tests.flow.house import HOLD, LEASE, OK, House, http_error
from tests.flow.test_deadlines import end
from tests.tools.severed import Cut, severable

CUTS = list(Cut)
TOLD = "http://told.test/"


async def submit(house: House, **fields: Any) -> None:
    await house.submit(id="task", callback={"url": TOLD}, **fields)


async def callbacks(house: House) -> list[Record]:
    """Of the task, the first of them first."""
    page = await house.store.list_tasks(None, limit=99, cursor=None)
    return [record for record in reversed(page.items) if record.task.labels.get(LABEL) == "task"]


async def told(house: House) -> list[str]:
    """What the callbacks that there are say, wherever they stand."""
    messages: list[dict[str, Any]] = [json.loads(record.task.body or "") for record in await callbacks(house)]
    assert [message["data"]["id"] for message in messages] == ["task"] * len(messages)
    return [message["type"] for message in messages]


def answering(*outcomes: Outcome, callback: Sequence[Outcome] = (OK,)) -> Any:
    """The target's answers by number of attempt, and those of who is told."""

    def answer(attempting: Attempting) -> Outcome:
        script = callback if attempting.task.url == TOLD else outcomes
        return script[min(attempting.number, len(script)) - 1]

    return answer


@pytest.mark.parametrize(
    ("outcome", "event"), [(OK, "task.succeeded"), (http_error(404), "task.failed")], ids=["ok", "404"]
)
async def test_an_end_is_told(house: House, outcome: Outcome, event: str) -> None:
    """By a task of its own, which runs, ends, and tells nobody of its own end."""
    house.target.answer = answering(outcome)
    await house.consumer()
    await submit(house)
    await house.heard(TaskSettled)
    await house.later(0)
    await house.heard(TaskSettled, 2)
    assert await told(house) == [event]
    (record,) = await callbacks(house)
    assert record.status is Status.SUCCEEDED
    await house.later(HOLD)
    assert sum((await house.store.counts()).values()) == 2


async def test_only_the_last_of_several_attempts_is_told(house: House) -> None:
    house.target.answer = answering(http_error(503), OK)
    await house.consumer()
    await submit(house, retry={"strategy": "constant", "base": 0})
    await house.heard(TaskSettled)
    assert await told(house) == []
    await house.later(0)
    await house.heard(TaskSettled, 2)
    assert await told(house) == ["task.succeeded"]


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_settle(house: House, cut: Cut) -> None:
    """End and callback are written together or not at all; the next attempt, if there is one, tells."""
    store, line = severable(house.store, "settle", cut)
    await house.consumer(store)
    await submit(house)
    await line.cut_off.wait()
    assert await told(house) == (["task.succeeded"] if cut is Cut.AFTER else [])
    await house.consumer()
    await house.break_connections()
    await house.later(LEASE)
    await house.later(10)
    await house.heard(TaskSettled)
    await house.later(HOLD)
    assert await house.status("task") is Status.SUCCEEDED
    assert await told(house) == ["task.succeeded"]


async def test_a_task_that_loses_its_last_worker_is_told(house: House) -> None:
    """It fails by the relay's hand, in one step with its callback."""
    house.target.gate.clear()
    store, line = severable(house.store)
    await house.consumer(store)
    await submit(house, max_attempts=1)
    await house.until_runs(1)
    line.sever()
    await house.later(LEASE)
    assert await house.status("task") is Status.FAILED
    assert await told(house) == ["task.failed"]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cancel_is_told(house: House, cut: Cut) -> None:
    """Also if whoever cancelled died at the write."""
    await submit(house, delay=60)
    store, _ = severable(house.store, "cancel", cut)
    with pytest.raises(StoreUnavailable):
        await house.make_cancellation(store).cancel("task")
    await house.cancellation.cancel("task")
    assert await told(house) == ["task.cancelled"]


async def test_a_cancel_of_what_runs_is_told_and_the_late_answer_is_not(house: House) -> None:
    """The worker's own settle is refused with all that is in it."""
    house.target.gate.clear()
    await house.consumer()
    await submit(house)
    await house.until_runs(1)
    await house.cancellation.cancel("task")
    house.target.gate.set()
    await house.heard(SettleRefused)
    assert await told(house) == ["task.cancelled"]


@pytest.mark.parametrize("method", ["expired", "fail"])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_deadline_that_passes_is_told(house: House, method: str, cut: Cut) -> None:
    """Once, also if a caretaker died at it."""
    await submit(house, expires_at=end(house, 60))
    house.clock.advance(60)
    store, _ = severable(house.store, method, cut)
    with pytest.raises(StoreUnavailable):
        await house.make_caretaker(store).turn()
    for _ in range(2):
        await house.make_caretaker().turn()
    assert await told(house) == ["task.failed"]


async def test_a_revived_task_is_told_of_twice(house: House) -> None:
    """Each end has a callback of its own, with another id."""
    house.target.answer = answering(http_error(404), OK)
    await house.consumer()
    await submit(house)
    await house.heard(TaskSettled)
    await house.revival.requeue("task")
    await house.heard(TaskSettled, 2)
    assert await told(house) == ["task.failed", "task.succeeded"]
    first, second = await callbacks(house)
    assert first.task.id != second.task.id


async def test_a_callback_that_fails_leaves_the_task_as_it_is(house: House) -> None:
    """It has its own attempts and history, becomes a dead letter of its own, and can be requeued."""
    house.target.answer = answering(OK, callback=[http_error(500), http_error(410)])
    await house.consumer()
    await submit(house)
    await house.heard(TaskSettled)
    before = await house.record("task")
    await house.later(0)
    await house.heard(TaskSettled, 2)
    await house.later(60)
    await house.heard(TaskSettled, 3)
    (record,) = await callbacks(house)
    assert (record.status, [each.status_code for each in record.attempts]) == (Status.FAILED, [500, 410])
    assert await house.record("task") == before
    assert await house.store.dead_letter(record.task.id) is not None
    await house.later(HOLD)
    assert len(await callbacks(house)) == 1


async def test_a_dead_lettered_task_is_told(house: House) -> None:
    """Nobody could do anything with its envelope."""
    house.collect()
    await submit(house)
    house.broker.consume([Lane.MEDIUM], 1, lambda delivery: house.broker.reject([delivery]))
    await house.heard(DeadLetterCollected)
    assert await told(house) == ["task.failed"]


async def test_only_the_events_that_were_asked_for(house: House) -> None:
    await house.consumer()
    await house.submit(id="task", callback={"url": TOLD, "events": ["failed", "cancelled"]})
    await house.heard(TaskSettled)
    assert await told(house) == []


async def test_a_deleted_task_is_not_told(house: House) -> None:
    """To delete is no end."""
    await submit(house, delay=60)
    await house.cancellation.delete("task")
    assert await told(house) == []
