"""The JSON form of what we show: tasks, dead letters, lists. Shared by the API and the CLI's `--json`.

Values are what `encode` can write: times stay `datetime` until then. Secrets in headers and URLs are masked
here, so that no reader of a resource has to think of it.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from taskrunner.api.masking import Masking, masked_url
from taskrunner.domain import codec
from taskrunner.domain.callback import Callback
from taskrunner.domain.host_view import HostView
from taskrunner.domain.outcome import Response
from taskrunner.domain.record import Attempt, DeadLetter, DeadLetterKind, Record
from taskrunner.domain.schedule import Schedule
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task, Validators
from taskrunner.producer.bulk_actions import BulkResult
from taskrunner.producer.bulk_submit import SubmittedBatch
from taskrunner.producer.host_admin import HostLimitEntry

Resource = dict[str, Any]


def encode(resource: Any) -> bytes:
    """JSON in UTF-8; times by RFC 3339 in UTC with `Z`."""
    return codec.encode(resource)


def pretty(resource: Any) -> bytes:
    """As `encode`, indented for people."""
    return msgspec.json.format(encode(resource), indent=2)


def task_resource(
    record: Record, masking: Masking, *, prefix: str = "", body: bytes | None = None
) -> Resource:
    """A task and all that is known of it.

    `prefix` goes before the paths of links. `body`, the stored beginning of the fetched body, is shown
    inline when it is text.
    """
    result = None
    if record.result is not None:
        result = _result_resource(record.result, masking, f"{prefix}/tasks/{record.task.id}/body", body)
    return _task(
        record.task,
        masking,
        status=record.status,
        attempt=record.attempt,
        attempt_limit=record.attempt_limit,
        attempts=[attempt_resource(attempt) for attempt in record.attempts],
        result=result,
        error=record.error or record.reason,
        reason=record.reason,
        due_at=record.due,
        updated_at=record.updated_at,
        finished_at=record.finished_at,
        kept_until=record.kept_until,
        snoozes=record.snoozes,
        waits_for=record.waits_for,
    )


def accepted_resource(task: Task, masking: Masking, *, published: bool) -> Resource:
    """A task that was accepted a moment ago, as `task_resource` would show it."""
    return _task(
        task,
        masking,
        status=Status.QUEUED if published else Status.SCHEDULED,
        attempt=0,
        attempt_limit=task.max_attempts,
        attempts=[],
        result=None,
        error=None,
        reason=None,
        due_at=task.run_at,
        updated_at=task.created_at,
        finished_at=None,
        kept_until=None,
    )


def bulk_items(done: SubmittedBatch) -> list[Resource]:
    """What became of each line of a bulk, in order."""
    items: list[Resource] = [
        {
            "line": number,
            "status": 202,
            "id": submitted.id,
            "url": masked_url(submitted.task.url),
            "created": submitted.created,
            "published": submitted.published,
            "errors": [],
        }
        for number, submitted in zip(done.numbers, done.submitted, strict=True)
    ]
    items += [
        {
            "line": refused.number,
            "status": 422,
            "id": None,
            "url": None,
            "created": False,
            "published": False,
            "errors": refused.error.errors,
        }
        for refused in done.refused
    ]
    return sorted(items, key=itemgetter("line"))


def dead_letter_resource(letter: DeadLetter, *, prefix: str = "", full: bool = False) -> Resource:
    """A dead letter; `full` adds the message as it came: in base64, and as text where it is UTF-8."""
    resource: Resource = {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "error": letter.error,
        "died_at": letter.died_at,
        "priority": letter.queue,
        "url": None if letter.url is None else masked_url(letter.url),
        "attempt": letter.attempt,
        "outcome": letter.outcome,
        "labels": letter.labels,
        "created_at": letter.created_at,
        "task_url": f"{prefix}/tasks/{letter.id}" if letter.kind is DeadLetterKind.TASK else None,
    }
    if full:
        resource["x_death"] = _json_or_text(letter.x_death)
        resource["raw_base64"] = None if letter.raw is None else base64.b64encode(letter.raw).decode()
        resource["raw_text"] = None if letter.raw is None else as_text(letter.raw, cut=False)
    return resource


def schedule_resource(schedule: Schedule, masking: Masking, *, prefix: str = "") -> Resource:
    """A schedule and what it has done. Of its task's body only `has_body` tells: it may be secret."""
    last = schedule.last_task_id
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "missed": schedule.missed,
        "overlap": schedule.overlap,
        "jitter": schedule.jitter,
        "conditional": schedule.conditional,
        "paused": schedule.paused,
        "next_at": schedule.next_at,
        "last_at": schedule.last_at,
        "last_task_id": last,
        "last_task_url": None if last is None else f"{prefix}/tasks/{last}",
        "error": schedule.error,
        "task": _template_resource(schedule.task, masking),
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
    }


def host_resource(host: HostView) -> Resource:
    """A host, and the limit that counts for it."""
    applied = host.applied
    return {
        "host": host.host,
        "state": host.condition,
        "until": host.until,
        "pace": host.pace,
        "in_flight": host.in_flight,
        "waiting_until": host.waiting_until,
        "attempt_time": host.attempt_time,
        "pattern": None if applied is None else applied.pattern,
        "limit": None if applied is None else applied.limit.fields(),
    }


def host_limit_resource(shown: HostLimitEntry) -> Resource:
    """A limit, and where it is from."""
    return {
        "pattern": shown.pattern,
        **shown.limit.fields(),
        "source": "api" if shown.given else "config",
    }


def page_resource(name: str, items: Sequence[Resource], cursor: str | None) -> Resource:
    """A part of a list: the items under `name`, and what to send as `cursor` to get the next part."""
    return {name: items, "next_cursor": cursor}


def bulk_result_resource(action: str, result: BulkResult, *, dry_run: bool) -> Resource:
    """What was done to how many; `next_cursor` says where to go on."""
    return {
        "action": action,
        "dry_run": dry_run,
        "matched": result.matched,
        "done": len(result.ids),
        "next_cursor": result.cursor,
    }


def as_text(content: bytes, *, cut: bool) -> str | None:
    """`content` as UTF-8 text, None if it is none; when it was `cut`, a character cut short is dropped."""
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        # UTF-8 takes at most 4 bytes (RFC 3629): only a fault in the last 3 can come from the cut.
        if cut and exc.reason == "unexpected end of data" and exc.start >= len(content) - 3:
            return content[: exc.start].decode()
        return None


def _task(
    task: Task,
    masking: Masking,
    *,
    status: Status,
    attempt: int,
    attempt_limit: int,
    attempts: list[Resource],
    result: Resource | None,
    error: str | None,
    reason: str | None,
    due_at: datetime | None,
    updated_at: datetime,
    finished_at: datetime | None,
    kept_until: datetime | None,
    snoozes: int = 0,
    waits_for: str | None = None,
) -> Resource:
    content = task.content
    return {
        "id": task.id,
        "status": status,
        "attempt": attempt,
        "max_attempts": task.max_attempts,
        "attempt_limit": attempt_limit,
        "attempts": attempts,
        "result": result,
        "error": error,
        "reason": reason,
        "created_at": task.created_at,
        "updated_at": updated_at,
        "due_at": due_at,
        "run_at": task.run_at,
        "expires_at": task.expires_at,
        "finished_at": finished_at,
        "kept_until": kept_until,
        "snoozes": snoozes,
        "waits_for": waits_for,
        "url": masked_url(task.url),
        "method": task.method,
        "headers": masking.headers(task.headers),
        "body_size": 0 if content is None else len(content),
        "priority": task.priority,
        "timeout": task.timeout,
        "retry": task.retry,
        "retry_on": task.retry_on,
        "fail_on": task.fail_on,
        "retry_unsafe": task.retry_unsafe,
        "rules": msgspec.to_builtins(task.rules),
        "labels": task.labels,
        "tls": task.tls,
        "validators": None if task.validators is None else _validators_resource(task.validators),
        "callback": None if task.callback is None else _callback_resource(task.callback),
    }


def _callback_resource(callback: Callback) -> Resource:
    return {
        "url": masked_url(callback.url),
        "secret": callback.secret,
        "events": callback.events,
        "tls": callback.tls,
    }


def _validators_resource(validators: Validators) -> Resource:
    return {
        "url": masked_url(validators.url),
        "etag": validators.etag,
        "last_modified": validators.last_modified,
        "task_id": validators.task_id,
    }


def _template_resource(template: Mapping[str, Any], masking: Masking) -> Resource:
    shown = {name: value for name, value in template.items() if name not in {"body", "body_base64"}}
    if "headers" in shown:
        shown["headers"] = masking.headers(shown["headers"])
    shown["url"] = masked_url(shown["url"])
    if shown.get("callback"):
        shown["callback"] = {**shown["callback"], "url": masked_url(shown["callback"]["url"])}
    return {**shown, "has_body": any(template.get(name) is not None for name in ("body", "body_base64"))}


def attempt_resource(attempt: Attempt) -> Resource:
    """An attempt in short."""
    return {
        "number": attempt.number,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "counted": attempt.counted,
        "consumer": attempt.consumer,
        "address": attempt.address,
    }


def _result_resource(response: Response, masking: Masking, body_url: str, body: bytes | None) -> Resource:
    return {
        **response_resource(response, masking),
        "body": None if body is None else as_text(body, cut=response.truncated),
        "body_url": body_url,
        "timings": response.timings,
    }


def response_resource(response: Response, masking: Masking) -> Resource:
    """An answer without its body; a cookie that it sets is as good as a password."""
    return {
        "status_code": response.status,
        "unchanged": response.unchanged,
        "headers": [{"name": name, "value": masking.value(name, value)} for name, value in response.headers],
        "content_type": response.content_type,
        "size": response.size_bytes,
        "sha256": response.sha256,
        "truncated": response.truncated,
        "url": masked_url(response.url),
        "redirects": response.redirects,
        "http_version": response.http_version,
    }


def _json_or_text(text: str | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
