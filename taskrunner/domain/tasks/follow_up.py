"""Follow-ups of a finished task: the tasks that report its end, stored in the same step as the end.

One is for the callback of the task, and one for each webhook that it matches. The end of a report is reported
to nobody.
"""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.tasks.callback import EVENTS, Callback
from taskrunner.domain.tasks.new_task import NewTask, new_task_id
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.report import known_as, report_task, task_data
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import is_report
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import facts_at_end
from taskrunner.domain.value import Value
from taskrunner.domain.webhooks.webhook import Webhook


class End(Value):
    """The end of `task` as `status`; `outcome` is that of attempt number `attempt`, None without one."""

    task: Task
    status: Status
    attempt: int
    error: str | None
    outcome: Outcome | None
    now: datetime


def follow_ups(end: End, webhooks: Sequence[Webhook]) -> tuple[NewTask, ...]:
    """The tasks that report `end`: a callback and webhooks, where they ask for it."""
    task = end.task
    if end.status not in EVENTS or is_report(task.id):
        return ()
    found = []
    if task.callback is not None and end.status in task.callback.events:
        found.append(_report(end, task.callback, None))
    if webhooks:
        last = None if end.outcome is None else end.outcome.kind
        facts = facts_at_end(task, end.status, outcome=last, now=end.now)
        found += [
            _report(end, webhook.callback, webhook)
            for webhook in webhooks
            if end.status in webhook.callback.events and webhook.task_filter.matches(facts)
        ]
    return tuple(found)


def _report(end: End, callback: Callback, webhook: Webhook | None) -> NewTask:
    task, outcome = end.task, end.outcome
    data = task_data(
        task,
        id=known_as(task.id, webhook),
        status=end.status,
        attempt=end.attempt,
        finished_at=end.now,
        outcome=None if outcome is None else outcome.kind,
        error=end.error,
        response=None if outcome is None else outcome.response,
    )
    message = {"type": f"task.{end.status}", "timestamp": end.now, "data": data}
    return report_task(
        callback, webhook, message, unique_id=new_task_id(), about=task.id, task=task, now=end.now
    )
