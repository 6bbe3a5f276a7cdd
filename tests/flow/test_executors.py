"""Tasks of an executor: the same records, fences and retries as requests have."""

import json
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import ExecutorInvalid, ScheduleInvalid, StateConflict
from taskrunner.domain.events import (
    DeliveryDropped,
    MessageRejected,
    ScheduleFailed,
    TaskAdopted,
    TaskSettled,
)
from taskrunner.domain.executors.executor import ExecutorKind, ManagedBy
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.handlers.base import AttemptContext
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.executor_watch import ExecutorWatch
from taskrunner.producer.intake import Submitted
from taskrunner.producer.search import Search
from tests.flow.local_runner import HOLD, OK, LocalRunner, http_error
from tests.tools.executors import at_once, executor, with_executors
from tests.tools.severed import severable

SCHEMA = {"type": "object", "properties": {"width": {"type": "number"}}}


@pytest.fixture
def admin(runner: LocalRunner) -> ExecutorAdmin:
    settings = runner.task_settings
    settings.current = with_executors(settings=settings.current)
    watch = ExecutorWatch(runner.store, runner.events, runner.clock, settings.current.executors)
    runner.pauses = runner.make_pauses()
    search = Search(runner.store)
    return ExecutorAdmin(runner.store, search, runner.cancellation, runner.clock, settings, watch, at_once)


async def make(admin: ExecutorAdmin, name: str = "resize_image", **fields: Any) -> None:
    draft = ExecutorDraft.from_json(json.dumps({"kind": "python", **fields}), admin.limits)
    await admin.put(name, draft)


async def submit(runner: LocalRunner, **fields: Any) -> Submitted:
    task = {"executor": "resize_image", **fields}
    return await runner.intake.submit(TaskDraft.from_fields(task, runner.task_settings.current.limits))


async def test_a_task_of_an_executor_runs_as_any_other(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """No host holds it back, and its data reaches the handler as it was spelt."""
    await make(admin)
    seen: list[tuple[str | None, str | None]] = []

    def answer(context: AttemptContext) -> Outcome:
        seen.append((context.task.executor, context.task.body))
        return OK if context.number > 1 else http_error(503)

    runner.target.answer = answer
    await runner.consumer()
    raw = '{"executor": "resize_image", "data": {"width" : 1e2}, "retry": {"delays": [5]}}'
    submitted = await runner.intake.submit(TaskDraft.from_json(raw, runner.task_settings.current.limits))
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.RETRYING
    await runner.later(5)
    await runner.heard(TaskSettled, 2)
    assert await runner.status(submitted.id) is Status.SUCCEEDED
    assert seen == [("resize_image", '{"width" : 1e2}')] * 2


async def test_tasks_of_a_disabled_executor_wait(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """Those of others go on; once it is enabled, they run."""
    await make(admin)
    await make(admin, "other")
    waiting = await submit(runner, delay=10)
    await admin.patch("resize_image", b'{"enabled": false}')
    await runner.pauses.turn()
    await runner.consumer()
    free = await submit(runner, executor="other")
    await runner.heard(TaskSettled)
    assert await runner.status(free.id) is Status.SUCCEEDED
    await runner.later(HOLD + 10)
    assert (await runner.status(waiting.id), runner.target.runs(waiting.id)) == (Status.SCHEDULED, 0)
    await admin.patch("resize_image", b'{"enabled": true}')
    await runner.pauses.turn()
    await runner.later(HOLD + 10)
    await runner.heard(TaskSettled, 2)
    assert runner.target.runs(waiting.id) == 1


async def test_a_delivered_task_of_a_disabled_executor_is_put_off(
    runner: LocalRunner, admin: ExecutorAdmin
) -> None:
    """It was published before, and takes no other task's place."""
    await make(admin)
    waiting = await submit(runner)
    await admin.patch("resize_image", b'{"enabled": false}')
    await runner.pauses.turn()
    await runner.consumer()
    await runner.submit("http://target.test/")
    await runner.heard(TaskSettled)
    await runner.heard(DeliveryDropped)
    assert (await runner.status(waiting.id), runner.target.runs(waiting.id)) == (Status.SCHEDULED, 0)


async def test_one_with_live_tasks_is_deleted_with_them(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """Waiting, queued and retrying ones; none of them runs meanwhile, and a running one is cut."""
    await make(admin)
    await make(admin, "other")
    tasks = [await submit(runner, delay=60), await submit(runner)]
    kept = await submit(runner, executor="other", delay=60)
    with pytest.raises(StateConflict, match="has tasks that have not ended"):
        await admin.delete("resize_image", cancel=False)
    assert await admin.delete("resize_image", cancel=True) == 2
    assert [await runner.status(each.id) for each in (*tasks, kept)] == [
        Status.CANCELLED,
        Status.CANCELLED,
        Status.SCHEDULED,
    ]
    assert [each.name for each in await admin.list()] == ["other"]


async def test_a_foreign_message_names_an_executor(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """With data that fits its schema it becomes a task; otherwise it is rejected, and says why."""
    await make(admin, schema=SCHEMA)
    await runner.consumer()

    async def publish(**fields: Any) -> None:
        body = json.dumps({"executor": "resize_image", **fields}).encode()
        await runner.broker.publish([Publication(queue="high", body=body, task_id=f"m{len(runner.log)}")])

    await publish(data={"width": 5})
    (adopted,) = await runner.heard(TaskAdopted)
    await runner.heard(TaskSettled)
    task = (await runner.record(adopted.task_id)).task
    assert (task.executor, task.body, task.queue) == ("resize_image", '{"width": 5}', "high")
    await publish(data={"width": "x"})
    assert (await runner.heard(MessageRejected))[-1].error.startswith("data/width: ")
    await publish(executor="resize_imag")
    assert (await runner.heard(MessageRejected, 2))[-1].error.startswith("executor: there is no executor")


async def test_a_foreign_message_waits_for_a_disabled_executor(
    runner: LocalRunner, admin: ExecutorAdmin
) -> None:
    """Also one that is delivered again, after its task has a record. Its data is checked as ever."""
    await make(admin, schema=SCHEMA)
    await admin.patch("resize_image", b'{"enabled": false}')
    await runner.pauses.turn()
    await runner.consumer()
    for number in (1, 2):
        body = b'{"executor": "resize_image", "data": {"width": 5}}'
        await runner.broker.publish([Publication(queue="high", body=body, task_id="m")])
        await runner.heard(DeliveryDropped, number)
    for _ in range(2):
        await runner.later(HOLD)
    assert (await runner.status("m"), runner.target.runs("m")) == (Status.SCHEDULED, 0)
    assert not runner.told(MessageRejected)
    bad = b'{"executor": "resize_image", "data": {"width": "x"}}'
    await runner.broker.publish([Publication(queue="high", body=bad, task_id="bad")])
    assert (await runner.heard(MessageRejected))[-1].error.startswith("data/width: ")
    await admin.patch("resize_image", b'{"enabled": true}')
    await runner.pauses.turn()
    await runner.later(HOLD)
    await runner.heard(TaskSettled)
    assert runner.target.runs("m") == 1


async def test_a_schedule_names_an_executor(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """It is checked when it is made, and by each slot; a disabled executor costs the slot."""
    await make(admin, schema=SCHEMA)

    def schedule(**task: Any) -> ScheduleDraft:
        fields = {"cron": "* * * * *", "task": {"executor": "resize_image", **task}}
        return ScheduleDraft.from_fields(fields, runner.task_settings.current.limits)

    for task, field in (({"data": 5}, "task.data"), ({"executor": "x"}, "task.executor")):
        with pytest.raises(ScheduleInvalid) as caught:
            await runner.schedules.create("wrong", schedule(**task))
        assert [each.field for each in caught.value.errors] == [field]
    with pytest.raises(ScheduleInvalid, match="is for tasks that have a URL"):
        ScheduleDraft.from_fields(
            {"cron": "* * * * *", "conditional": True, "task": {"executor": "resize_image"}}, admin.limits
        )
    await runner.schedules.create("images", schedule(data={"width": 1}))
    scheduler = runner.make_scheduler()
    runner.clock.advance(60)
    await scheduler.turn()
    first = (await runner.schedules.get("images")).last_task_id
    assert first is not None
    assert (await runner.record(first)).task.body == '{"width":1}'
    await admin.patch("resize_image", b'{"enabled": false}')
    runner.clock.advance(60)
    await scheduler.turn()
    assert "is disabled" in (await runner.heard(ScheduleFailed))[-1].error
    assert (await runner.schedules.get("images")).last_task_id == first


async def test_a_message_waits_until_the_executors_are_known(
    runner: LocalRunner, admin: ExecutorAdmin
) -> None:
    """While the store was away since the start, it is neither lost nor rejected."""
    await make(admin)
    source = runner.task_settings.current.executors
    known, source.known = source.known, None
    await runner.consumer()
    body = b'{"executor": "resize_image"}'
    await runner.broker.publish([Publication(queue="high", body=body, task_id="m")])
    assert not runner.told(MessageRejected)
    source.known = known
    await runner.heard(TaskSettled)
    assert runner.target.runs("m") == 1


async def test_limits_of_an_executor_hold_its_tasks_back(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """One attempt at a time, although there are more workers; tasks of others, and plain ones, go on."""
    await make(admin, concurrency=1)
    await make(admin, "other")
    runner.target.gate.clear()
    await runner.consumer(workers=4)
    mine = [(await submit(runner)).id for _ in range(3)]
    others = [(await submit(runner, executor="other")).id, (await runner.submit()).id]
    await runner.until_runs(3)
    assert {task_id for task_id, _ in runner.target.ledger} >= {*others}
    assert sum(runner.target.runs(each) for each in mine) == 1
    runner.target.gate.set()
    await runner.heard(TaskSettled, 5)
    assert [runner.target.runs(each) for each in mine] == [1, 1, 1]


async def test_a_failed_task_need_not_be_a_dead_letter(runner: LocalRunner, admin: ExecutorAdmin) -> None:
    """It is a failed task all the same, and kept as long as its executor says."""
    await make(admin, dead_letters={"enabled": False}, retention="1m", max_attempts=1)
    await make(admin, "other", max_attempts=1)
    runner.target.script(http_error(503))
    await runner.consumer()
    hidden, listed = await submit(runner), await submit(runner, executor="other")
    await runner.heard(TaskSettled, 2)
    record = await runner.record(hidden.id)
    assert record.status is Status.FAILED
    assert record.kept_until is not None
    assert (record.kept_until - runner.clock.now()).total_seconds() == pytest.approx(60, abs=1)
    letters = await Search(runner.store).dead_letters(TaskFilter(), limit=10, cursor=None)
    assert [each.id for each in letters.items] == [listed.id]


async def test_an_executor_that_another_process_has_just_made_is_found(
    runner: LocalRunner, admin: ExecutorAdmin
) -> None:
    """By a submit and by a message, before the next read of the watch."""
    source = runner.task_settings.current.executors
    await runner.store.save_executor(executor(), expected=None)
    assert (await submit(runner)).created
    source.set(())
    await runner.consumer()
    body = b'{"executor": "resize_image"}'
    await runner.broker.publish([Publication(queue="high", body=body, task_id="m")])
    source.set([executor()])
    await runner.heard(TaskSettled, 2)
    assert runner.target.runs("m") == 1


@pytest.mark.parametrize(
    "misfit",
    [
        {"queue": "undeclared"},
        {"timeout": 1e6},
        {"max_attempts": 10_000},
        {"kind": ExecutorKind.HTTP, "url": "http://target.test/", "tls": "removed"},
        {"kind": ExecutorKind.HTTP, "url": "ftp://target.test/"},
        {"schema": '{"$dynamicRef": "#a"}'},
    ],
)
async def test_an_executor_that_fits_no_more_can_be_switched(
    runner: LocalRunner, admin: ExecutorAdmin, misfit: dict[str, Any]
) -> None:
    """To disable it is the emergency stop. Any other change must mend it, and a switch keeps its manager."""
    await runner.store.save_executor(executor(managed_by=ManagedBy.CODE, **misfit), expected=None)
    for enabled in (False, True):
        changed = await admin.patch("resize_image", json.dumps({"enabled": enabled}).encode())
        assert (changed.enabled, changed.managed_by) == (enabled, ManagedBy.CODE)
    with pytest.raises(ExecutorInvalid):
        await admin.patch("resize_image", b'{"description": "managed_by nobody"}')


async def test_a_change_is_no_failure_because_nobody_can_read_it(runner: LocalRunner) -> None:
    """The store took it and went away. A 503 would have the client believe that nothing was changed."""
    store, line = severable(runner.store)
    settings = runner.task_settings
    watch = ExecutorWatch(store, runner.events, runner.clock, settings.current.executors)
    search = Search(runner.store)
    admin = ExecutorAdmin(runner.store, search, runner.cancellation, runner.clock, settings, watch, at_once)
    line.sever()
    await make(admin)
    await admin.patch("resize_image", b'{"enabled": false}')
    await admin.delete("resize_image", cancel=False)
    assert line.refused == ["executors"] * 3
    assert await admin.list() == []
