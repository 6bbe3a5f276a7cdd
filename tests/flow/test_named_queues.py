"""Named queues in one process: declared while it runs, served by weight, and withdrawn without loss."""

from collections import Counter

import pytest

from taskrunner.domain.clock import SystemClock
from taskrunner.domain.errors import OutsideError, QueueUnknown, StateConflict, TaskInvalid
from taskrunner.domain.events import TaskSettled
from taskrunner.domain.process_events import QueuesChanged
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.queue_admin import QueueAdmin
from tests.flow.local_runner import FORGOTTEN, HOLD, OK, LocalRunner, http_error
from tests.tools.executors import executor
from tests.tools.severed import severable


def admin_of(runner: LocalRunner) -> QueueAdmin:
    return QueueAdmin(runner.store, runner.broker, runner.queues, SystemClock())


async def declare(runner: LocalRunner, name: str, weight: int = 1) -> None:
    await admin_of(runner).put(name, QueueDraft(weight=weight))


async def withdraw_elsewhere(runner: LocalRunner, name: str) -> None:
    """As another process would that has not seen the last submits."""
    (stored,) = [each for each in await runner.store.queues() if each.name == name]
    assert await runner.store.delete_queue(stored)
    await runner.queues.turn()


async def test_a_queue_is_served_as_soon_as_it_is_declared(runner: LocalRunner) -> None:
    """By a consumer that runs already, unless its settings name others."""
    await runner.consumer()
    with pytest.raises(TaskInvalid, match="must be a declared queue"):
        await runner.submit(queue="reports")
    await declare(runner, "reports")
    assert runner.told(QueuesChanged)[-1].queues == ("high", "medium", "low", "reports")
    task = await runner.submit(queue="reports")
    await runner.heard(TaskSettled)
    record = await runner.record(task.id)
    assert (record.status, record.task.queue) == (Status.SUCCEEDED, "reports")


async def test_a_consumer_serves_the_queues_of_its_settings_only(runner: LocalRunner) -> None:
    """Also those that are declared later."""
    consumer = await runner.consumer(queues=("reports", "mails"))
    served: list[tuple[str, ...]] = []
    for queue in ("reports", "mails", "others"):
        await declare(runner, queue)
        served.append(consumer.served_queues)
    assert served == [("reports",), ("mails", "reports"), ("mails", "reports")]
    for queue in ("medium", "others", "mails"):
        await runner.submit(id=queue, queue=queue)
    await runner.heard(TaskSettled)
    assert await runner.has_status("mails", Status.SUCCEEDED)
    counts = await runner.broker.queue_counts()
    assert (counts["medium"].ready, counts["others"].ready) == (1, 1)


async def test_a_queue_with_live_tasks_is_not_deleted(runner: LocalRunner) -> None:
    await declare(runner, "reports")
    task = await runner.submit(queue="reports", delay=60)
    with pytest.raises(StateConflict, match=f"has tasks that have not ended, such as {task.id}"):
        await admin_of(runner).delete("reports")
    await runner.cancellation.cancel(task.id)
    await admin_of(runner).delete("reports")
    with pytest.raises(QueueUnknown, match="no queue has the name 'reports'"):
        await admin_of(runner).delete("reports")


async def test_a_queue_that_a_schedule_names_is_not_deleted(runner: LocalRunner) -> None:
    await declare(runner, "reports")
    fields = {"cron": "@daily", "task": {"url": "http://target.test/", "queue": "reports"}}
    limits = runner.task_settings.current.limits
    await runner.schedules.create("daily", ScheduleDraft.from_fields(fields, limits))
    with pytest.raises(StateConflict, match="schedule 'daily' submits to the queue reports"):
        await admin_of(runner).delete("reports")


async def test_a_queue_that_an_executor_names_is_not_deleted(runner: LocalRunner) -> None:
    await declare(runner, "reports")
    await runner.store.save_executor(executor("resize", queue="reports"), expected=None)
    with pytest.raises(StateConflict, match="executor resize has the queue reports"):
        await admin_of(runner).delete("reports")


async def test_a_stored_weight_goes_before_that_of_the_configuration(runner: LocalRunner) -> None:
    """Until the declaration is withdrawn, which is possible whatever waits there."""
    await declare(runner, "low", 9)
    await runner.submit(queue="low")
    assert runner.queues.declared.weights["low"] == 9
    await admin_of(runner).delete("low")
    assert runner.queues.declared.weights["low"] == 1
    with pytest.raises(StateConflict, match="the configuration declares the queue low"):
        await admin_of(runner).delete("low")


async def test_a_task_of_a_withdrawn_queue_waits_until_it_is_declared_again(runner: LocalRunner) -> None:
    """It was submitted while another process deleted the queue; nobody runs it, and nothing is lost."""
    await declare(runner, "reports")
    await runner.consumer()
    await runner.pause("queue:reports")
    for state in ("queued", "delayed"):
        await runner.submit(id=state, queue="reports", delay=60 if state == "delayed" else 0)
    await withdraw_elsewhere(runner, "reports")
    await runner.pause()
    for _ in range(3):
        await runner.later(FORGOTTEN + HOLD + 60)
    assert runner.target.ledger == []
    await declare(runner, "reports")
    await runner.heard(TaskSettled, 2)
    assert {await runner.status("queued"), await runner.status("delayed")} == {Status.SUCCEEDED}
    assert Counter(task for task, _ in runner.target.ledger) == {"queued": 1, "delayed": 1}


async def test_a_retry_in_a_withdrawn_queue_waits(runner: LocalRunner) -> None:
    """An attempt that runs when its queue goes ends, and the next one follows when the queue is back."""
    await declare(runner, "reports")
    await runner.consumer()
    runner.target.gate.clear()
    task = await runner.submit(queue="reports", retry={"strategy": "constant", "base": 1, "jitter": 0})
    await runner.until_runs(1)
    runner.target.script(http_error(503), OK)
    await withdraw_elsewhere(runner, "reports")
    runner.target.gate.set()
    await runner.heard(TaskSettled)
    await runner.later(HOLD)
    assert runner.target.runs(task.id) == 1
    await declare(runner, "reports")
    await runner.heard(TaskSettled, 2)
    assert (await runner.status(task.id), runner.target.runs(task.id)) == (Status.SUCCEEDED, 2)


async def test_what_the_broker_refuses_takes_no_tasks(runner: LocalRunner) -> None:
    """As of a queue of the configuration; all others go on, and the broker is asked again."""
    runner.broker.refuse_queues = frozenset({"reports"})
    runner.queues.configure({**runner.queues.declared.configured, "reports": 1})
    await runner.consumer()
    await runner.queues.turn()
    with pytest.raises(TaskInvalid, match="is 'reports', which is declared, but the broker refuses it"):
        await runner.submit(queue="reports")
    await runner.submit()
    await runner.heard(TaskSettled)
    runner.broker.refuse_queues = frozenset()
    for _ in range(10):
        await runner.queues.turn()
    await runner.submit(queue="reports")
    await runner.heard(TaskSettled, 2)


async def test_full_queues_share_the_workers_by_weight(runner: LocalRunner) -> None:
    """To within a tenth, in the order in which their tasks reached the target."""
    weights = {"high": 16, "medium": 4, "low": 1, "reports": 4}
    await declare(runner, "reports", weights["reports"])
    limits, drafts = runner.task_settings.current.limits, list[TaskDraft]()
    runner.target.gate.clear()
    for queue in weights:
        for number in range(420):
            fields = {"url": "http://target.test/", "id": f"{queue}-{number}", "queue": queue}
            drafts.append(TaskDraft.from_fields(fields, limits))
    await runner.intake.submit_many(list(map(runner.intake.prepare, drafts)))
    await runner.publisher.drain()
    await runner.consumer(workers=5)
    runner.target.gate.set()
    await runner.heard(TaskSettled, 500)
    began = Counter(task.partition("-")[0] for task, _ in runner.target.ledger[:500])
    assert began == {queue: pytest.approx(500 * weight / 25, rel=0.1) for queue, weight in weights.items()}


@pytest.mark.parametrize("trouble", ["broker away", "refused", "store away"])
async def test_the_broker_forgets_a_queue_that_was_not_stored(runner: LocalRunner, trouble: str) -> None:
    """It would be declared with the next reconnect, and nobody would know of it."""
    store, line = severable(runner.store, "save_queue")
    if trouble == "broker away":
        runner.broker.disconnect()
    elif trouble == "refused":
        runner.broker.refuse_queues = frozenset({"reports"})
    admin = QueueAdmin(store, runner.broker, runner.queues, SystemClock())
    with pytest.raises((OutsideError, StateConflict)):
        await admin.put("reports", QueueDraft())
    assert line.severed is (trouble == "store away")
    if trouble == "broker away":
        runner.broker.reconnect()
    await runner.queues.turn()
    assert runner.broker.refused_queues == {}
    assert "reports" not in await runner.broker.queue_counts()
