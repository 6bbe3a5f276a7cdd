"""An envelope: a task on the wire, with the number of the attempt that it starts.

Ours is `{"v":1,"attempt":N,"task":{…}}`, where the inner object is the task exactly as the store keeps it,
so that it is encoded once in its life. A foreign client's message is a draft: `{"url":"…"}`.
"""

from base64 import b64decode
from datetime import MAXYEAR
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from taskrunner.domain.callback import Callback
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.rules import rules_fields
from taskrunner.domain.task import Task, Validators
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.task_fields import check_id
from taskrunner.domain.task_limits import COUNT_LIMIT, Limits
from taskrunner.domain.validation import UNKNOWN
from taskrunner.domain.value import value

_OURS = b'{"v":'
# Plain fields that few tasks have.
_SPARE = ("body", "body_base64", "run_at", "expires_at", "keep_until", "tls", "signed_by", "traceparent")


@value
class Envelope:
    """A task, and the attempt that a delivery of this envelope may start."""

    attempt: Annotated[int, Field(ge=1, le=COUNT_LIMIT)]
    task: Task


_TASK: TypeAdapter[Task] = TypeAdapter(Task)
_ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(Envelope)


def encode_task(task: Task) -> bytes:
    """The task's JSON form without fields that are None or empty; defaults stand in it, versions differ in
    them.
    """
    # By hand, field by field: pydantic's own dump was a tenth of a bulk submit's time.
    fields = {
        "id": task.id,
        "url": task.url,
        "method": task.method,
        "headers": task.headers,
        "priority": task.priority,
        "timeout": task.timeout,
        "max_attempts": task.max_attempts,
        "retry": _retry(task.retry),
        "labels": task.labels,
        "created_at": task.created_at,
    }
    if task.retry_on:
        fields["retry_on"] = task.retry_on
    if task.fail_on:
        fields["fail_on"] = task.fail_on
    if task.retry_unsafe:
        fields["retry_unsafe"] = True
    if task.rules:
        fields["rules"] = rules_fields(task.rules)
    if task.validators is not None:
        fields["validators"] = _validators(task.validators)
    if task.callback is not None:
        fields["callback"] = _callback(task.callback)
    for name in _SPARE:
        spare = getattr(task, name)
        if spare is not None:
            fields[name] = spare
    return orjson.dumps(fields)


def _retry(retry: RetryPolicy) -> dict[str, Any]:
    return {
        "strategy": retry.strategy,
        "base": retry.base,
        "cap": retry.cap,
        "jitter": retry.jitter,
        "delays": retry.delays,
    }


def _callback(callback: Callback) -> dict[str, Any]:
    return {
        "url": callback.url,
        "secret": callback.secret,
        "events": callback.events,
        "timeout": callback.timeout,
        "max_attempts": callback.max_attempts,
        "retry": _retry(callback.retry),
        "tls": callback.tls,
    }


def _validators(validators: Validators) -> dict[str, Any]:
    return {
        "url": validators.url,
        "etag": validators.etag,
        "last_modified": validators.last_modified,
        "task_id": validators.task_id,
    }


def task_fields(task: Task) -> dict[str, Any]:
    """The task's JSON form as a mapping, every field present, for showing it to people."""
    fields: dict[str, Any] = _TASK.dump_python(task, mode="json", by_alias=True)
    return fields


def decode_task(encoded: bytes) -> Task:
    """The inverse of `encode_task`; raises `EnvelopeUnreadable`."""
    try:
        return _TASK.validate_json(encoded)
    except ValidationError as exc:
        raise EnvelopeUnreadable(_reason(exc)) from exc


def encode_envelope(encoded_task: bytes, attempt: int) -> bytes:
    """The envelope that starts attempt number `attempt` of a task encoded by `encode_task`."""
    return b'{"v":1,"attempt":%d,"task":%b}' % (attempt, encoded_task)


def decode_envelope(raw: bytes, limits: Limits) -> Envelope | TaskDraft:
    """An `Envelope` that we sealed, or the `TaskDraft` of a foreign client.

    Raises `EnvelopeUnreadable` when it is neither.
    """
    if raw.startswith(_OURS):
        return _open_ours(raw)
    try:
        return TaskDraft.from_message(raw, limits)
    except TaskInvalid as exc:
        raise EnvelopeUnreadable(str(exc)) from exc


def _open_ours(raw: bytes) -> Envelope:
    """Anybody may write what looks like ours, and what is read here becomes a record if there is none."""
    try:
        envelope = _ENVELOPE.validate_json(raw)
    except ValidationError as exc:
        raise EnvelopeUnreadable(_reason(exc)) from exc
    _check_storable(envelope.task)
    return envelope


def _check_storable(task: Task) -> None:
    """What the types do not say: an id that is no key or path, a body or a date that cannot be read again."""
    try:
        check_id(task.id)
    except ValueError as exc:
        raise EnvelopeUnreadable(f"task.id: {exc}") from exc
    for name, moment in (("created_at", task.created_at), ("run_at", task.run_at)):
        # Within a day of the first and last year a zone's offset would lead out of the calendar.
        if moment is not None and not 1 < moment.year < MAXYEAR:
            raise EnvelopeUnreadable(f"task.{name}: must lie between the years 2 and {MAXYEAR - 1}")
    if task.body_base64 is not None:
        try:
            b64decode(task.body_base64, validate=True)
        except ValueError as exc:
            raise EnvelopeUnreadable(f"task.body_base64: is not base64: {exc}") from exc


def _reason(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = "unknown field" if first["type"] in UNKNOWN else first["msg"]
    return f"{where}: {message}" if where else message
