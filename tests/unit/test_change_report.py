"""Reports of changes: which webhook is told of which, what it is told, and under which id."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.tasks.callback import EVENTS
from taskrunner.domain.tasks.change import ChangeCursor, ChangeEvent, ChangeId, StatusChange
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import is_report
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.change_report import change_reports, gap_reports, wanted_by
from taskrunner.domain.webhooks.webhook import Webhook
from tests.unit.test_follow_up import CALLBACK, NOW, TASK

AT = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)
CURSOR = ChangeCursor(
    name="webhooks", place=ChangeId(1, 0), holder="a", until=NOW, secret="0123456789abcdef0123456789abcdef"
)
NEW = Record(
    task=TASK,
    status=Status.RUNNING,
    attempt=1,
    attempt_limit=5,
    due=None,
    attempts=(),
    result=None,
    error=None,
    updated_at=NOW,
    finished_at=None,
    kept_until=None,
)


def change(status: Status | None = Status.RUNNING, task_id: str = "task", minor: int = 0) -> StatusChange:
    return StatusChange(id=ChangeId(7, minor), task_id=task_id, status=status, at=AT)


def webhook(
    name: str = "all", changes: tuple[ChangeEvent, ...] = tuple(ChangeEvent), **given: Any
) -> Webhook:
    wanted = TaskFilter(**{"namespace": name[: name.rfind("~") + 1], **given})
    return Webhook(
        name=name, callback=CALLBACK, changes=changes, task_filter=wanted, created_at=NOW, updated_at=NOW
    )


def reports(one: StatusChange, record: Record | None, *webhooks: Webhook) -> list[NewTask]:
    return change_reports(one, record, wanted_by(one, webhooks), CURSOR, NOW)


def message(report: NewTask) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.task.body or "")
    return found


def test_the_names_of_changes_are_the_statuses_and_deleted() -> None:
    assert [*ChangeEvent] == [*Status, "deleted"]
    assert [change(status).event for status in Status] == [*Status]
    assert change(None).event == "deleted"


def test_a_webhook_has_its_events_in_the_order_of_the_statuses() -> None:
    """Those without changes report what they did before, and are stored as before."""
    ends = replace(webhook(changes=()), callback=replace(CALLBACK, events=EVENTS))
    assert [*ends.events] == [*map(ChangeEvent, EVENTS)]
    assert Decoder(Webhook).decode(encode(ends)) == ends
    more = replace(ends, changes=(ChangeEvent.DELETED, ChangeEvent.RUNNING))
    assert more.events == ("running", *EVENTS, "deleted")
    assert Decoder(Webhook).decode(encode(more)) == more


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (webhook(), True),
        (webhook(changes=(ChangeEvent.QUEUED,)), False),
        (webhook(labels={"team": "red"}, queue="high", host="target.test"), True),
        (webhook(labels={"team": "blue"}), False),
        (webhook("mine~all"), False),
    ],
)
def test_the_change_and_the_task_decide(hook: Webhook, told: bool) -> None:
    """By the event, the conditions, and whose task it is."""
    assert len(reports(change(), NEW, hook)) == told


def test_it_tells_the_change_and_the_task_without_secrets() -> None:
    """`status` is that of the change: the task may have come further."""
    [report] = reports(change(), replace(NEW, status=Status.SUCCEEDED), webhook())
    task = report.task
    assert (task.url, task.method, task.queue, is_report(task.id)) == (CALLBACK.url, "POST", "high", True)
    assert (task.signed_by, task.tls, task.created_at, report.due) == ("name", "profile", NOW, NOW)
    assert task.labels == {"callback": "task", "webhook": "all"}
    told = message(report)
    assert (told["type"], told["timestamp"]) == ("task.running", "2031-05-06T07:08:09.123000Z")
    assert (told["data"]["id"], told["data"]["status"], told["data"]["attempt"]) == ("task", "running", 1)
    assert "s3cret" not in (task.body or "")


def test_a_deleted_task_has_its_id_left() -> None:
    """So no condition holds."""
    hooks = webhook(), webhook("red", labels={"team": "red"})
    [report] = reports(change(None), None, *hooks)
    assert message(report)["type"] == "task.deleted"
    assert message(report)["data"] == {"id": "task", "status": "deleted"}
    assert (report.queue, report.task.labels["webhook"]) == ("medium", "all")


def test_a_report_is_reported_to_nobody() -> None:
    """Or each report would make further ones."""
    for name in ("all", "mine~all"):
        record = replace(NEW, task=replace(TASK, id="mine~task"))
        [report] = reports(change(task_id="mine~task"), record, webhook(name))
        again = replace(NEW, task=report.task)
        assert reports(change(task_id=report.id), again, webhook(), webhook("mine~all")) == []
        assert reports(change(None, report.id), None, webhook(), webhook("mine~all")) == []


def test_only_the_deletion_of_a_task_that_is_gone_is_told() -> None:
    """What else it came to cannot be told any more."""
    assert reports(change(), None, webhook()) == []


def test_a_change_that_is_told_again_has_the_same_id() -> None:
    """And one of its own for each webhook and each place of the log."""
    first = reports(change(), NEW, webhook(), webhook("other"))
    again = change_reports(change(), NEW, [webhook()], CURSOR, NOW + timedelta(seconds=9))
    later = reports(change(minor=1), NEW, webhook())
    other_log = change_reports(change(), NEW, [webhook()], replace(CURSOR, secret="f" * 32), NOW)
    assert first[0].id == again[0].id
    assert first[0].task.headers["webhook-id"] == first[0].id
    assert len({each.id for each in (*first, *later, *other_log)}) == 4


def test_a_key_is_told_its_own_names() -> None:
    """Its webhook and its task; who sees all tasks knows them by their whole ids."""
    one, record = change(task_id="mine~task"), replace(NEW, task=replace(TASK, id="mine~task"))
    own, others = reports(one, record, webhook("mine~all"), webhook())
    assert own.id.startswith("mine~report:")
    assert own.task.labels == {"callback": "task", "webhook": "all"}
    assert (message(own)["data"]["id"], message(others)["data"]["id"]) == ("task", "mine~task")
    assert b"mine~" not in encode(message(own))


def test_lost_changes_are_told_to_each() -> None:
    """Once: the place says which gap it is."""
    told = gap_reports([webhook("mine~all"), webhook()], ChangeId(9, 0), CURSOR, NOW)
    again = gap_reports([webhook("mine~all"), webhook()], ChangeId(9, 0), CURSOR, NOW)
    assert [each.id for each in told] == [each.id for each in again]
    assert [message(each)["type"] for each in told] == ["webhook.gap"] * 2
    assert [message(each)["data"] for each in told] == [{"webhook": "all"}] * 2
    assert [each.task.labels for each in told] == [{"webhook": "all"}] * 2
