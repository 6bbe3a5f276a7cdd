"""The follow-up of a finished task: the task that sends its callback, stored in the same step as the end.

A follow-up never has a callback of its own.
"""

from datetime import datetime
from typing import Any

import orjson

from taskrunner.domain.masking import masked_url, strip_urls
from taskrunner.domain.new_task import NewTask, new_task_id
from taskrunner.domain.outcome import Outcome, Response
from taskrunner.domain.status import Status
from taskrunner.domain.submitter import namespace_of, without_namespace
from taskrunner.domain.task import Redirects, Task

# The label by which the callbacks of a task are found.
LABEL = "callback"


def follow_up(
    task: Task,
    status: Status,
    *,
    attempt: int,
    error: str | None,
    outcome: Outcome | None,
    now: datetime,
) -> NewTask | None:
    """The task that reports that `task` became `status`; None if no callback asks for this status.

    `outcome` is that of attempt number `attempt`, None for an end without an attempt.
    """
    callback = task.callback
    if callback is None or status not in callback.events:
        return None
    task_id = namespace_of(task.id) + new_task_id()
    payload = _payload(task, status, attempt=attempt, error=error, outcome=outcome, now=now)
    caller = Task(
        id=task_id,
        url=callback.url,
        method="POST",
        # Standard Webhooks: the id is the same at every attempt. Time and signature are added on sending.
        headers={"Content-Type": "application/json", "webhook-id": without_namespace(task_id)},
        body=orjson.dumps(payload, option=orjson.OPT_UTC_Z).decode(),
        priority=task.priority,
        timeout=callback.timeout,
        max_attempts=callback.max_attempts,
        retry=callback.retry,
        # Receivers recognise a repeated callback by its id.
        retry_unsafe=True,
        # Only a 2xx to the request that carried body and signature delivers it.
        redirects=Redirects.KEEP,
        labels={LABEL: without_namespace(task.id)},
        created_at=now,
        signed_by=callback.secret,
        tls=callback.tls,
        created_by=task.created_by,
        traceparent=task.traceparent,
    )
    return NewTask.of(caller, due=now)


def _payload(
    task: Task, status: Status, *, attempt: int, error: str | None, outcome: Outcome | None, now: datetime
) -> dict[str, Any]:
    """The field names are those of the task. Headers and body are left out, since they may be secret."""
    response = None if outcome is None else outcome.response
    return {
        "type": f"task.{status}",
        "timestamp": now,
        "data": {
            "id": without_namespace(task.id),
            "status": status,
            "url": masked_url(task.url),
            "method": task.method,
            "priority": task.priority,
            "labels": task.labels,
            "attempt": attempt,
            "max_attempts": task.max_attempts,
            "created_at": task.created_at,
            "finished_at": now,
            "outcome": None if outcome is None else outcome.kind,
            "error": None if error is None else strip_urls(error),
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
        "url": masked_url(response.url),
        "redirects": response.redirects,
        "http_version": response.http_version,
    }
