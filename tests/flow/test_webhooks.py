"""Webhooks: every end that one asks for is reported once, whoever ends the task and whoever dies."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.platform import Platform, operate
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import DeadLetterCollected, SettleRefused, TaskSettled
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.report import WEBHOOK_LABEL
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import submitter_of
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.domain.webhooks.webhook_draft import WebhookDraft
from taskrunner.handlers.base import AttemptContext
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.producer.webhook_admin import WebhookAdmin
from tests.flow.local_runner import HOLD, LEASE, OK, LocalRunner, http_error
from tests.flow.test_deadlines import end
from tests.tools.severed import Cut, severable
from tests.tools.waiting import eventually

CUTS = list(Cut)
TOLD, OTHER = "http://told.test/", "http://other.test/"


async def subscribe(runner: LocalRunner, name: str = "ends", url: str = TOLD, **fields: Any) -> None:
    """Make a webhook, and let all processes know it."""
    admin = WebhookAdmin(runner.store, runner.clock, TaskSettingsSource())
    raw = json.dumps({"url": url, **fields}).encode()
    await admin.put(name, WebhookDraft.from_json(raw, TaskLimits()), None)
    await runner.webhooks.turn()


async def reports(runner: LocalRunner) -> list[Record]:
    page = await runner.store.list_tasks(None, limit=99, cursor=None)
    return [record for record in reversed(page.items) if WEBHOOK_LABEL in record.task.labels]


async def told(runner: LocalRunner) -> list[str]:
    """What the reports say, the first of them first."""
    return [json.loads(record.task.body or "")["type"] for record in await reports(runner)]


def answering(*outcomes: Outcome, report: Outcome = OK) -> Any:
    """The target's answers by number of attempt, and that of the receiver of reports."""

    def answer(context: AttemptContext) -> Outcome:
        if context.task.url in {TOLD, OTHER}:
            return report
        return outcomes[min(context.number, len(outcomes)) - 1]

    return answer


@pytest.mark.parametrize(
    ("outcome", "event"), [(OK, "task.succeeded"), (http_error(404), "task.failed")], ids=["ok", "404"]
)
async def test_each_end_is_reported(runner: LocalRunner, outcome: Outcome, event: str) -> None:
    """By a task of its own, whose end is reported to nobody; so many ends, so many reports."""
    await subscribe(runner)
    runner.target.answer = answering(outcome)
    await runner.consumer()
    for task_id in ("a", "b"):
        await runner.submit(id=task_id)
    await runner.heard(TaskSettled, 2)
    await runner.later(0)
    await runner.heard(TaskSettled, 4)
    assert await told(runner) == [event, event]
    assert {record.status for record in await reports(runner)} == {Status.SUCCEEDED}
    await runner.later(HOLD)
    assert sum((await runner.store.counts()).values()) == 4


async def test_only_what_was_asked_for_is_reported(runner: LocalRunner) -> None:
    """By event and by filter; one that is off, or was deleted, hears nothing."""
    await subscribe(runner, "failures", events=["failed"])
    await subscribe(runner, "red", OTHER, filter={"label": ["team=red"]})
    await subscribe(runner, "off", enabled=False)
    await subscribe(runner, "gone")
    [gone] = [each for each in await runner.store.webhooks() if each.name == "gone"]
    assert await runner.store.delete_webhook(gone)
    await runner.webhooks.turn()
    await runner.consumer()
    await runner.submit(id="plain")
    await runner.submit(id="red", labels={"team": "red"})
    await runner.heard(TaskSettled, 2)
    [report] = await reports(runner)
    assert (report.task.url, report.task.labels) == (OTHER, {"callback": "red", "webhook": "red"})


async def test_a_callback_and_webhooks_are_all_told(runner: LocalRunner) -> None:
    await subscribe(runner, "a")
    await subscribe(runner, "b")
    await runner.consumer()
    await runner.submit(id="task", callback={"url": OTHER})
    await runner.heard(TaskSettled)
    counts = await runner.store.counts()
    assert (counts[Status.SUCCEEDED], counts[Status.SCHEDULED]) == (1, 3)
    assert sorted(each.task.labels["webhook"] for each in await reports(runner)) == ["a", "b"]


@pytest.mark.parametrize("cut", CUTS)
async def test_the_consumer_dies_at_the_settle(runner: LocalRunner, cut: Cut) -> None:
    """End and report are written together or not at all; the next attempt, if there is one, reports."""
    await subscribe(runner)
    store, line = severable(runner.store, "settle", cut)
    await runner.consumer(store)
    await runner.submit(id="task")
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


async def test_a_task_that_loses_its_last_worker_is_reported(runner: LocalRunner) -> None:
    """It fails by the relay's hand."""
    await subscribe(runner)
    runner.target.gate.clear()
    store, line = severable(runner.store)
    await runner.consumer(store)
    await runner.submit(id="task", max_attempts=1)
    await runner.until_runs(1)
    line.sever()
    await runner.later(LEASE)
    assert await runner.status("task") is Status.FAILED
    assert await told(runner) == ["task.failed"]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cancel_is_reported(runner: LocalRunner, cut: Cut) -> None:
    """Also if whoever cancelled died at the write."""
    await subscribe(runner)
    await runner.submit(id="task", delay=60)
    store, _ = severable(runner.store, "cancel", cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(store).cancel("task")
    await runner.cancellation.cancel("task")
    assert await told(runner) == ["task.cancelled"]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_task_that_another_one_replaces_is_reported(runner: LocalRunner, cut: Cut) -> None:
    """By the dedup key; once, also if whoever replaced it died at the write."""
    await subscribe(runner)
    dedup = {"key": "k", "mode": "replace"}
    await runner.submit(id="first", delay=60, dedup=dedup)
    store, _ = severable(runner.store, "replace", cut)
    fields = {"url": "http://target.test/", "id": "second", "dedup": dedup}
    draft = TaskDraft.from_fields(fields, TaskLimits())
    with pytest.raises(StoreUnavailable):
        await runner.make_intake(store).submit(draft)
    await runner.intake.submit(draft)
    assert await runner.status("first") is Status.CANCELLED
    assert await told(runner) == ["task.cancelled"]


async def test_a_cancel_of_what_runs_is_reported_once(runner: LocalRunner) -> None:
    """The worker's own settle is refused with all that is in it."""
    await subscribe(runner)
    runner.target.gate.clear()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.cancellation.cancel("task")
    runner.target.gate.set()
    await runner.heard(SettleRefused)
    assert await told(runner) == ["task.cancelled"]


@pytest.mark.parametrize("method", ["past_deadline", "fail"])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_deadline_that_passes_is_reported(runner: LocalRunner, method: str, cut: Cut) -> None:
    """Once, also if a cleaner died at it."""
    await subscribe(runner)
    await runner.submit(id="task", expires_at=end(runner, 60))
    runner.clock.advance(60)
    store, _ = severable(runner.store, method, cut)
    with pytest.raises(StoreUnavailable):
        await runner.make_cleaner(store).turn()
    for _ in range(2):
        await runner.make_cleaner().turn()
    assert await told(runner) == ["task.failed"]


async def test_a_dead_lettered_task_is_reported(runner: LocalRunner) -> None:
    await subscribe(runner)
    runner.collect()
    await runner.submit(id="task")
    runner.broker.consume(["medium"], 1, lambda delivery: runner.broker.reject([delivery]))
    await runner.heard(DeadLetterCollected)
    assert await told(runner) == ["task.failed"]


async def test_a_report_that_fails_has_a_dead_letter_and_no_report(runner: LocalRunner) -> None:
    """It is retried first, like any callback."""
    await subscribe(runner)
    runner.target.answer = answering(OK, report=http_error(410))
    await runner.consumer()
    await runner.submit(id="task")
    await runner.heard(TaskSettled)
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    [record] = await reports(runner)
    assert record.status is Status.FAILED
    assert await runner.store.dead_letter(record.task.id) is not None
    await runner.later(HOLD)
    assert len(await reports(runner)) == 1


async def test_no_end_is_written_before_the_webhooks_are_known(runner: LocalRunner) -> None:
    """A process that starts while the store is away has not read them."""
    await subscribe(runner)
    known, runner.webhooks.source = runner.webhooks.source, WebhookSource()
    await runner.consumer()
    await runner.submit(id="task")
    await runner.until_runs(1)
    await runner.submit(id="other", delay=60)
    with pytest.raises(StoreUnavailable):
        await runner.make_cancellation(runner.store).cancel("other")
    assert await runner.status("task") is Status.RUNNING
    await runner.webhooks.turn()
    await runner.heard(TaskSettled)
    assert await told(runner) == ["task.succeeded"]
    assert known is not runner.webhooks.source


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_webhook_of_a_key_that_is_over_hears_nothing(runner: LocalRunner, how: str) -> None:
    """Whoever had the key would go on to learn of tasks. Those of others go on."""
    keys = KeyAdmin(runner.store, runner.clock)
    admin = WebhookAdmin(runner.store, runner.clock, TaskSettingsSource())
    draft = WebhookDraft.from_json(json.dumps({"url": TOLD}).encode(), TaskLimits())
    expires_at = runner.clock.now() + timedelta(seconds=60) if how == "expired" else None
    for name, end_of_key in (("web", expires_at), ("other", None)):
        made = await keys.create(name, (Scope.ADMIN,), owner=None, expires_at=end_of_key)
        await admin.create(name, draft, submitter_of(made.key))
    await subscribe(runner, "nobodys")
    assert [each.name for each in runner.webhooks.source.in_force] == ["nobodys", "other", "web"]
    if how == "revoked":
        await keys.revoke("web")
    else:
        runner.clock.advance(61)
    await runner.webhooks.turn()
    assert [each.name for each in runner.webhooks.source.in_force] == ["nobodys", "other"]


async def test_a_long_command_learns_of_new_webhooks(tmp_path: Path) -> None:
    """It may end tasks for hours."""
    settings = {
        "TASKRUNNER_STORE__URL": f"sqlite:///{tmp_path}/x.db",
        "TASKRUNNER_RABBIT__ADDR": "memory://",
    }
    config = load(environ=settings, search=False)
    await upgrade_store(config)

    async def use(platform: Platform) -> int:
        assert platform.webhooks.source.in_force == ()
        admin = WebhookAdmin(platform.store, platform.clock, platform.task_settings)
        await admin.put("ends", WebhookDraft.from_json(encode({"url": TOLD}), TaskLimits()), None)
        await eventually(lambda: [each.name for each in platform.webhooks.source.in_force] == ["ends"])
        return 3

    assert await operate(config, use) == 3
