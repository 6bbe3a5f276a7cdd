"""An envelope: a task on the wire, with the number of the attempt that it starts.

Ours is `{"v":1,"attempt":N,"task":{…}}`, where the inner object is the task exactly as the store keeps it,
so that it is encoded once in its life. A foreign client's message is a draft: `{"url":"…"}`.
"""

from base64 import b64decode
from datetime import MAXYEAR
from typing import Annotated

import msgspec

from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.task import Task
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.task_fields import check_id
from taskrunner.domain.task_limits import COUNT_LIMIT, TaskLimits
from taskrunner.domain.value import Value

_OURS = b'{"v":'


class Envelope(Value):
    """A task, and the attempt that a delivery of this envelope may start."""

    attempt: Annotated[int, msgspec.Meta(ge=1, le=COUNT_LIMIT)]
    task: Task


_TASK: Decoder[Task] = Decoder(Task)
_ENVELOPE: Decoder[Envelope] = Decoder(Envelope)


def encode_task(task: Task) -> bytes:
    """The task as JSON, as the store keeps it and every envelope carries it."""
    return encode(task)


def decode_task(encoded: bytes) -> Task:
    """The inverse of `encode_task`; raises `EnvelopeUnreadable`."""
    try:
        return _TASK.decode(encoded)
    except ValueError as exc:
        raise EnvelopeUnreadable(_reason(exc)) from exc


def encode_envelope(encoded_task: bytes, attempt: int) -> bytes:
    """The envelope that starts attempt number `attempt` of a task encoded by `encode_task`."""
    return b'{"v":1,"attempt":%d,"task":%b}' % (attempt, encoded_task)


def decode_envelope(raw: bytes, limits: TaskLimits) -> Envelope | TaskDraft:
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
        envelope = _ENVELOPE.decode(raw)
    except ValueError as exc:
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


def _reason(exc: ValueError) -> str:
    """msgspec's sentence, with the field as a path in front."""
    message, _, place = str(exc).partition(" - at `$")
    where = place.rstrip("`").lstrip(".")
    return f"{where}: {message}" if where else message
