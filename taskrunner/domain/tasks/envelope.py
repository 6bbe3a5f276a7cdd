"""An envelope: a task on the wire, with the number of the attempt that it starts.

Our envelope is `{"v":1,"attempt":N,"task":{…}}`; the inner object is the task exactly as the store keeps it,
so that a task is encoded once. A message from a foreign client is a draft: `{"url":"…"}`.
"""

from base64 import b64decode
from datetime import datetime
from typing import Annotated

import msgspec

from taskrunner.domain.codec import Decoder
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.moment import check_moment
from taskrunner.domain.tasks.submitter import check_stored_id
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import COUNT_LIMIT, TaskLimits
from taskrunner.domain.value import Value

_OUR_PREFIX = b'{"v":'
# How much longer our own may be: a task that was accepted under higher limits is still read. Anybody can
# write the prefix. RabbitMQ 4 takes 16 MiB in one message.
_OWN_MARGIN = 16 * 1024 * 1024


class Envelope(Value):
    """A task, and the number of the attempt that its delivery may start."""

    attempt: Annotated[int, msgspec.Meta(ge=1, le=COUNT_LIMIT)]
    task: Task


_TASK: Decoder[Task] = Decoder(Task)
_ENVELOPE: Decoder[Envelope] = Decoder(Envelope)


def decode_task(encoded: bytes) -> Task:
    """The inverse of `codec.encode`. Raises `EnvelopeUnreadable`."""
    try:
        return _TASK.decode(encoded)
    except ValueError as exc:
        raise EnvelopeUnreadable(_reason(exc)) from exc


def encode_envelope(encoded_task: bytes, attempt: int) -> bytes:
    """The envelope that starts attempt number `attempt` of a task encoded by `codec.encode`."""
    return b'{"v":1,"attempt":%d,"task":%b}' % (attempt, encoded_task)


def decode_envelope(raw: bytes, limits: TaskLimits) -> Envelope | TaskDraft:
    """Our `Envelope`, or the `TaskDraft` of a foreign client. Raises `EnvelopeUnreadable` otherwise."""
    is_ours = raw.startswith(_OUR_PREFIX)
    # No task on its usual way is as long as the margin.
    if not is_ours or len(raw) > _OWN_MARGIN:
        _check_length(raw, limits.max_message_bytes + is_ours * _OWN_MARGIN)
    if is_ours:
        return _decode_ours(raw)
    try:
        return TaskDraft.from_message(raw, limits)
    except TaskInvalid as exc:
        raise EnvelopeUnreadable(str(exc)) from exc


def _check_length(raw: bytes, longest: int) -> None:
    """Parsing what is longer would hold up all else for seconds."""
    if len(raw) > longest:
        raise EnvelopeUnreadable(
            f"the message is {len(raw)} bytes long, at most {longest} are read; publish a link to the data"
        )


def _decode_ours(raw: bytes) -> Envelope:
    """Anybody can forge an envelope, and its task becomes a record if there is none: check it strictly."""
    try:
        envelope = _ENVELOPE.decode(raw)
    except ValueError as exc:
        raise EnvelopeUnreadable(_reason(exc)) from exc
    _check_storable(envelope.task)
    return envelope


def _check_storable(task: Task) -> None:
    """Check what the types do not: the id is safe as a key and path, dates and body can be read again."""
    try:
        check_stored_id(task.id)
    except ValueError as exc:
        raise EnvelopeUnreadable(f"task.id: {exc}") from exc
    if task.url is None and task.executor is None:
        raise EnvelopeUnreadable("task.url: is required")
    for name in ("created_at", "run_at", "expires_at", "keep_until"):
        moment: datetime | None = getattr(task, name)
        try:
            if moment is not None:
                check_moment(moment)
        except ValueError as exc:
            raise EnvelopeUnreadable(f"task.{name}: {exc}") from exc
    if task.body_base64 is not None:
        try:
            b64decode(task.body_base64, validate=True)
        except ValueError as exc:
            raise EnvelopeUnreadable(f"task.body_base64: is not base64: {exc}") from exc


def _reason(exc: ValueError) -> str:
    """msgspec's message, with the path of the field in front."""
    message, _, place = str(exc).partition(" - at `$")
    where = place.rstrip("`").lstrip(".")
    return f"{where}: {message}" if where else message
