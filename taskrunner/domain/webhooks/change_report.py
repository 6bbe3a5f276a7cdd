"""Reports of the changes of tasks that webhooks ask for beside the ends; see `follow_up` for those.

Each has an id that is made of the webhook and the place of the change: one that is made twice is stored once.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from taskrunner.domain.tasks.change import ChangeCursor, ChangeEvent, ChangeId, StatusChange
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.report import known_as, report_task, task_data
from taskrunner.domain.tasks.submitter import is_report, without_namespace
from taskrunner.domain.tasks.task_filter import task_facts
from taskrunner.domain.webhooks.webhook import Webhook

# The type of the message about changes that nobody knows any more.
GAP = "webhook.gap"


def wanted_by(change: StatusChange, webhooks: Sequence[Webhook]) -> list[Webhook]:
    """Those that may report the change; the record of its task decides. None reports that of a report."""
    if is_report(change.task_id):
        return []
    return [
        webhook
        for webhook in webhooks
        if change.event in webhook.changes and change.task_id.startswith(webhook.task_filter.namespace)
    ]


def change_reports(
    change: StatusChange,
    record: Record | None,
    webhooks: Sequence[Webhook],
    cursor: ChangeCursor,
    now: datetime,
) -> list[NewTask]:
    """One for each of `webhooks` that reports the change. `record` is None for a task that is gone.

    Such a task has nothing left but its deletion, and nothing that a condition could hold for.
    """
    if record is None and change.event is not ChangeEvent.DELETED:
        chosen = []
    elif record is None:
        chosen = [webhook for webhook in webhooks if webhook.task_filter.is_empty]
    else:
        facts = task_facts(record)
        chosen = [webhook for webhook in webhooks if webhook.task_filter.matches(facts)]
    return [_change_report(change, record, webhook, cursor, now) for webhook in chosen]


def gap_reports(
    webhooks: Sequence[Webhook], place: ChangeId, cursor: ChangeCursor, now: datetime
) -> list[NewTask]:
    """What each of `webhooks` is told when changes before `place` were lost."""
    return [
        report_task(
            webhook.callback,
            webhook,
            {"type": GAP, "timestamp": now, "data": {"webhook": without_namespace(webhook.name)}},
            unique_id=_report_id(webhook, place, cursor),
            about=None,
            task=None,
            now=now,
        )
        for webhook in webhooks
    ]


def _change_report(
    change: StatusChange, record: Record | None, webhook: Webhook, cursor: ChangeCursor, now: datetime
) -> NewTask:
    shown_id = known_as(change.task_id, webhook)
    if record is None:
        data = {"id": shown_id, "status": change.event}
    else:
        data = task_data(
            record.task,
            id=shown_id,
            status=change.event,
            attempt=record.attempt,
            finished_at=record.finished_at,
            outcome=record.attempts[-1].outcome if record.attempts else None,
            error=record.error,
            response=record.result,
        )
    return report_task(
        webhook.callback,
        webhook,
        {"type": f"task.{change.event}", "timestamp": change.at or now, "data": data},
        unique_id=_report_id(webhook, change.id, cursor),
        about=change.task_id,
        task=None if record is None else record.task,
        now=now,
    )


def _report_id(webhook: Webhook, place: ChangeId, cursor: ChangeCursor) -> str:
    # A namespace in the secret: whoever knows the webhook cannot guess how much has happened since.
    return str(uuid5(UUID(cursor.secret), f"{webhook.name} {place.major} {place.minor}"))
