"""Webhooks for changes beside the ends: each is reported once, whichever process dies."""

import json
from datetime import datetime
from typing import Any

import pytest

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import StateConflict, StoreUnavailable
from taskrunner.domain.events import TaskSettled
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.change import ChangeEvent, ChangeId
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import submitter_of
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook_draft import WebhookDraft
from taskrunner.producer.change_reporter import LEASE, ChangeReporter
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.producer.webhook_admin import WebhookAdmin
from taskrunner.producer.webhook_watch import WebhookWatch
from taskrunner.stores.base import Store
from tests.flow.local_runner import OK, LocalRunner, http_error
from tests.flow.test_webhooks import TOLD, reports, subscribe
from tests.tools.severed import Cut, severable
from tests.tools.waiting import eventually


def reporter(
    runner: LocalRunner, store: Store | None = None, name: str = "p1", watch: WebhookWatch | None = None
) -> ChangeReporter:
    return ChangeReporter(
        store or runner.store, runner.events, runner.clock, watch or runner.webhooks, name=name
    )


def admin_of(runner: LocalRunner) -> WebhookAdmin:
    """Of another process: the reporter hears of its changes later."""
    return WebhookAdmin(runner.store, runner.clock, TaskSettingsSource())


def draft_for(*events: str) -> WebhookDraft:
    return WebhookDraft.from_json(encode({"url": TOLD, "events": events}), TaskLimits())


async def until_told(runner: LocalRunner, process: ChangeReporter, *expected: tuple[str, str | None]) -> None:
    """Let `process` report until these types and tasks are told, in the order of their times, and no more."""

    async def are_told() -> bool:
        await process.turn()
        return len(await reports(runner)) >= len(expected)

    await eventually(are_told)
    await process.turn()
    messages = sorted((json.loads(each.task.body or "") for each in await reports(runner)), key=_time)
    assert [(each["type"], each["data"].get("id")) for each in messages] == list(expected)


def _time(message: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(message["timestamp"])


async def test_a_life_is_told_once_in_order(runner: LocalRunner) -> None:
    """With a retry. What becomes of the reports is told to nobody."""
    process = reporter(runner)
    # A worker may have a task before the store knows that it is queued.
    events = [each for each in ChangeEvent if each not in {"queued", "succeeded"}]
    await subscribe(runner, events=events)
    runner.target.script(http_error(503), OK)
    await runner.consumer()
    await runner.submit(id="task", retry={"delays": [1]})
    await runner.heard(TaskSettled)
    await runner.later(1)
    await runner.heard(TaskSettled, 2)
    life = "scheduled", "running", "retrying", "running"
    expected = [(f"task.{each}", "task") for each in life]
    await until_told(runner, process, *expected)
    await runner.later(0)
    await runner.heard(TaskSettled, 2 + len(life))
    await until_told(runner, process, *expected)


async def test_a_task_that_waits_for_a_consumer_is_told_as_queued(runner: LocalRunner) -> None:
    process = reporter(runner)
    await subscribe(runner, events=["queued"])
    await runner.submit(id="task")
    await until_told(runner, process, ("task.queued", "task"))


async def test_a_requeue_a_snooze_and_a_deletion_are_told(runner: LocalRunner) -> None:
    """A deleted task has its id left; the ends are told in the step that writes them."""
    process = reporter(runner)
    await subscribe(runner, events=["scheduled", "deleted"])
    put_off = Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=60, error="not yet")
    runner.target.script(http_error(404), put_off)
    await runner.consumer()
    await runner.submit(id="task")
    await runner.heard(TaskSettled)
    expected = [("task.scheduled", "task")]
    await until_told(runner, process, *expected)
    await runner.requeue.requeue("task")
    await runner.later(0)
    await runner.until_runs(2)
    await eventually(lambda: runner.has_status("task", Status.SCHEDULED))
    expected += [("task.scheduled", "task")] * 2
    await until_told(runner, process, *expected)
    await runner.cancellation.cancel("task")
    await runner.cancellation.delete("task")
    await until_told(runner, process, *expected, ("task.deleted", "task"))


async def test_what_happens_after_the_answer_is_told(runner: LocalRunner) -> None:
    """Before any process has heard of the webhook, and before one reports. The conditions hold."""
    await subscribe(runner, events=["scheduled"], filter={"label": ["team=red"]})
    for team in ("red", "blue"):
        await runner.submit(id=team, labels={"team": team}, delay=60)
    await until_told(runner, reporter(runner), ("task.scheduled", "red"))


async def test_nobody_reads_the_log_without_a_webhook_for_changes(runner: LocalRunner) -> None:
    """Then the store keeps none, and tasks cost nothing more."""
    await subscribe(runner)
    process = reporter(runner)
    await process.turn()
    assert list(await runner.store.change_cursors()) == []
    await subscribe(runner, events=["running"])
    await process.turn()
    assert len(await runner.store.change_cursors()) == 1
    await subscribe(runner)
    await process.turn()
    assert list(await runner.store.change_cursors()) == []


@pytest.mark.parametrize("method", ["accept", "save_change_cursor"])
@pytest.mark.parametrize("cut", list(Cut))
async def test_a_change_is_told_once_whoever_dies(runner: LocalRunner, method: str, cut: Cut) -> None:
    """Another process goes on when the lease is over, and makes the same reports."""
    await subscribe(runner, events=["scheduled"])
    first = reporter(runner)
    await first.turn()
    await runner.submit(id="task", delay=60)
    store, _ = severable(runner.store, method, cut)
    dying = reporter(runner, store)

    async def is_dead() -> bool:
        try:
            await dying.turn()
        except StoreUnavailable:
            return True
        return False

    await eventually(is_dead)
    other = reporter(runner, name="p2")
    await other.turn()
    runner.clock.advance(LEASE.total_seconds())
    await until_told(runner, other, ("task.scheduled", "task"))


async def test_one_process_reports_at_a_time(runner: LocalRunner) -> None:
    """Until it stops; then another one goes on at once."""
    await subscribe(runner, events=["scheduled"])
    first, other = reporter(runner), reporter(runner, name="p2")
    await first.turn()
    for _ in range(2):
        await other.turn()
        [cursor] = await runner.store.change_cursors()
        assert cursor.holder == "p1"
    await first.stop()
    await runner.submit(id="task", delay=60)
    await until_told(runner, other, ("task.scheduled", "task"))
    [cursor] = await runner.store.change_cursors()
    assert cursor.holder == "p2"


async def test_lost_changes_are_told_as_a_gap(runner: LocalRunner) -> None:
    """The log was dropped while no process ran. What follows is told."""
    await subscribe(runner, events=["scheduled"])
    process = reporter(runner)
    await process.turn()
    [cursor] = await runner.store.change_cursors()
    await runner.store.save_change_cursor(replace(cursor, place=ChangeId(1, 0)), expected=cursor)
    await process.turn()
    runner.clock.advance(LEASE.total_seconds())
    await until_told(runner, process, ("webhook.gap", None))


async def test_a_webhook_that_was_refused_leaves_no_old_changes(runner: LocalRunner) -> None:
    """The next one for changes hears of none from before it."""
    await subscribe(runner)
    with pytest.raises(StateConflict):
        await admin_of(runner).create("ends", draft_for("scheduled"), None)
    await runner.submit(id="old", delay=60)
    await subscribe(runner, "new", events=["scheduled"])
    await runner.submit(id="task", delay=60)
    await until_told(runner, reporter(runner), ("task.scheduled", "task"))


@pytest.mark.parametrize("is_lost", [False, True], ids=["old changes", "gap"])
@pytest.mark.parametrize("way", ["deleted", "disabled", "revoked"])
async def test_what_a_dead_process_leaves_is_told_to_nobody(
    runner: LocalRunner, way: str, *, is_lost: bool
) -> None:
    """It died before the last webhook for changes went, however that went, and could not tidy up."""
    admin, keys = admin_of(runner), KeyAdmin(runner.store, runner.clock)
    created = await keys.create("boss", (Scope.ADMIN,), owner=None, expires_at=None)
    await admin.create("first", draft_for("scheduled"), submitter_of(created.key))
    await runner.webhooks.turn()
    await reporter(runner).turn()
    match way:
        case "deleted":
            await admin.delete("first")
        case "disabled":
            await admin.patch("first", b'{"enabled": false}')
        case _:
            await keys.revoke("boss")
    runner.clock.advance(LEASE.total_seconds())
    await runner.submit(id="old", delay=60)
    if is_lost:
        [cursor] = await runner.store.change_cursors()
        await runner.store.save_change_cursor(replace(cursor, place=ChangeId(1, 0)), expected=cursor)
    await subscribe(runner, "new", events=["scheduled"])
    await runner.submit(id="task", delay=60)
    await until_told(runner, reporter(runner, name="p2"), ("task.scheduled", "task"))


@pytest.mark.parametrize("heard", ["nothing", "deletion", "deletion, in time"])
async def test_a_webhook_of_another_process_misses_nothing(runner: LocalRunner, heard: str) -> None:
    """Whatever the process that reports for others has heard of it."""
    admin = admin_of(runner)
    await admin.create("first", draft_for("scheduled"), None)
    watch = WebhookWatch(runner.store, runner.events, runner.clock)
    await watch.turn()
    process = reporter(runner, watch=watch)
    await process.turn()
    await admin.delete("first")
    if heard != "nothing":
        await watch.turn()
    if heard == "deletion, in time":
        await process.turn()
    await admin.create("second", draft_for("scheduled"), None)
    await runner.submit(id="task", delay=60)
    # It may still report to the one that was deleted.
    await process.turn()
    await process.turn()
    await watch.turn()
    await process.turn()
    told = [each.task.labels["webhook"] for each in await reports(runner)]
    assert told.count("second") == 1


async def test_it_stops_while_the_store_is_away(runner: LocalRunner) -> None:
    """The lease ends by itself."""
    await subscribe(runner, events=["scheduled"])
    store, line = severable(runner.store)
    process = reporter(runner, store)
    await process.turn()
    line.sever()
    await process.stop()
    assert line.refused == ["save_change_cursor"]
    [cursor] = await runner.store.change_cursors()
    assert cursor.holder == "p1"
