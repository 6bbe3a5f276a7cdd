"""A report: the task that tells a receiver what became of another task, for a callback or a webhook."""

from collections.abc import Mapping
from typing import Any

import orjson

from taskrunner.domain.masking import masked_url, strip_urls
from taskrunner.domain.queues.queue import DEFAULT_QUEUE
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.outcome import OutcomeKind, Response
from taskrunner.domain.tasks.submitter import namespace_of, without_namespace
from taskrunner.domain.tasks.task import AwareDatetime, Redirects, Task
from taskrunner.domain.tasks.task_fields import REPORT_PREFIX
from taskrunner.domain.webhooks.webhook import Webhook

# The labels by which the reports of a task, and those of a webhook, are found.
LABEL, WEBHOOK_LABEL = "callback", "webhook"


def report_task(
    callback: Callback,
    webhook: Webhook | None,
    message: Mapping[str, Any],
    *,
    unique_id: str,
    about: str | None,
    task: Task | None,
    now: AwareDatetime,
) -> NewTask:
    """The report with this message. It belongs to the submitter of the task, or of the webhook.

    `unique_id` tells it from all other reports.
    `about` is the stored id of the task, None if the report is about none; `task` is None if it is gone.
    """
    owner = about if webhook is None else webhook.name
    report_id = REPORT_PREFIX + unique_id
    labels = {} if about is None else {LABEL: known_as(about, webhook)}
    if webhook is not None:
        labels[WEBHOOK_LABEL] = without_namespace(webhook.name)
    by_task = None if task is None else task.created_by
    report = Task(
        id=("" if owner is None else namespace_of(owner)) + report_id,
        url=callback.url,
        method="POST",
        # Standard Webhooks: the id is the same at every attempt. Time and signature are added on sending.
        headers={"Content-Type": "application/json", "webhook-id": report_id},
        body=orjson.dumps(message, option=orjson.OPT_UTC_Z).decode(),
        queue=DEFAULT_QUEUE if task is None else task.queue,
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
        tls=callback.tls,
        fairness_key=None if task is None else task.fairness_key,
        created_by=by_task if webhook is None else webhook.created_by,
        traceparent=None if task is None else task.traceparent,
    )
    return NewTask.of(report, due=now)


def known_as(task_id: str, webhook: Webhook | None) -> str:
    """The id by which receivers know the task: who sees all tasks knows them by their whole ids."""
    if webhook is None or namespace_of(webhook.name):
        return without_namespace(task_id)
    return task_id


def task_data(
    task: Task,
    *,
    id: str,  # noqa: A002 - as in the message
    status: str,
    attempt: int,
    finished_at: AwareDatetime | None,
    outcome: OutcomeKind | None,
    error: str | None,
    response: Response | None,
) -> dict[str, Any]:
    """The field names are those of the task. Headers and body are left out, since they may be secret."""
    return {
        "id": id,
        "status": status,
        "executor": task.executor,
        "url": masked_url(task.url),
        "method": None if task.url is None else task.method,
        "queue": task.queue,
        "labels": task.labels,
        "attempt": attempt,
        "max_attempts": task.max_attempts,
        "created_at": task.created_at,
        "finished_at": finished_at,
        "outcome": outcome,
        "error": None if error is None else strip_urls(error),
        "result": None if response is None else _result(response),
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
