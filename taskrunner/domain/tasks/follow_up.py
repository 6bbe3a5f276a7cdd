"""Follow-ups of a finished task: the tasks that report its end, stored in the same step as the end.

One is for the callback of the task, and one for each webhook that it matches. The end of a report is reported
to nobody.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from taskrunner.domain.masking import masked_url, strip_urls
from taskrunner.domain.tasks.callback import EVENTS, Callback
from taskrunner.domain.tasks.new_task import NewTask, new_task_id
from taskrunner.domain.tasks.outcome import Outcome, Response
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import namespace_of, without_namespace
from taskrunner.domain.tasks.task import Redirects, Task
from taskrunner.domain.tasks.task_filter import facts_at_end
from taskrunner.domain.value import Value
from taskrunner.domain.webhooks.webhook import Webhook

# The labels by which the reports of a task, and those of a webhook, are found.
LABEL, WEBHOOK_LABEL = "callback", "webhook"


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
    if end.status not in EVENTS or task.is_report:
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
    """It belongs to the submitter of the task, or of the webhook."""
    task, now = end.task, end.now
    namespace = namespace_of(task.id if webhook is None else webhook.name)
    task_id = namespace + new_task_id()
    # Who sees all tasks knows them by their whole ids.
    known_as = without_namespace(task.id) if namespace or webhook is None else task.id
    labels = {LABEL: known_as}
    if webhook is not None:
        labels[WEBHOOK_LABEL] = without_namespace(webhook.name)
    report = Task(
        id=task_id,
        url=callback.url,
        method="POST",
        # Standard Webhooks: the id is the same at every attempt. Time and signature are added on sending.
        headers={"Content-Type": "application/json", "webhook-id": without_namespace(task_id)},
        body=orjson.dumps(_payload(end, known_as), option=orjson.OPT_UTC_Z).decode(),
        queue=task.queue,
        timeout=callback.timeout,
        max_attempts=callback.max_attempts,
        retry=callback.retry,
        # Receivers recognise a repeated callback by its id.
        retry_unsafe=True,
        # Only a 2xx to the request that carried body and signature delivers it.
        redirects=Redirects.KEEP,
        labels=labels,
        created_at=now,
        signed_by=callback.secret,
        is_report=True,
        tls=callback.tls,
        fairness_key=task.fairness_key,
        created_by=task.created_by if webhook is None else webhook.created_by,
        traceparent=task.traceparent,
    )
    return NewTask.of(report, due=now)


def _payload(end: End, known_as: str) -> dict[str, Any]:
    """The field names are those of the task. Headers and body are left out, since they may be secret."""
    task, outcome = end.task, end.outcome
    response = None if outcome is None else outcome.response
    return {
        "type": f"task.{end.status}",
        "timestamp": end.now,
        "data": {
            "id": known_as,
            "status": end.status,
            "executor": task.executor,
            "url": masked_url(task.url),
            "method": None if task.url is None else task.method,
            "queue": task.queue,
            "labels": task.labels,
            "attempt": end.attempt,
            "max_attempts": task.max_attempts,
            "created_at": task.created_at,
            "finished_at": end.now,
            "outcome": None if outcome is None else outcome.kind,
            "error": None if end.error is None else strip_urls(end.error),
            "result": None if response is None else _result(response),
        },
    }


def _result(response: Response) -> dict[str, Any]:
    return {
        "status_code": response.status,
        "unchanged": response.unchanged,
        "content_type": response.content_type,
        "size": response.size_bytes,
        "sha256": response.sha256,
        "truncated": response.truncated,
        "undecodable": response.undecodable,
        "url": masked_url(response.url) or None,
        "redirects": response.redirects,
        "http_version": response.http_version or None,
    }
