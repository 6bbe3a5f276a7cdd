"""Tasks as messages: what `NewTask` asks for, and what the API shows of a task."""

import base64
import json
from typing import TypeVar

from google.protobuf.message import Message

from taskrunner.api.access import Caller
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.json_text import JsonUnfit, check_depth, elements, join
from taskrunner.domain.masking import Masking
from taskrunner.domain.record import Record
from taskrunner.grpc.messages import fields_of, fill
from taskrunner.v1 import task_executor_pb2 as pb

Kind = TypeVar("Kind", bound=Message)

# Each has JSON that is passed on as it is spelt, and the member of the draft that it becomes.
_JSON_FIELDS = {"body_json": "body", "data_json": "data"}


def draft_json(request: pb.AddTaskRequest, traceparent: str | None = None) -> bytes:
    """The task as `POST /tasks` takes it. Raises `TaskInvalid` for what JSON cannot hold."""
    fields = fields_of(request.task, TaskInvalid)
    if traceparent is not None:
        fields.setdefault("traceparent", traceparent)
    if (body := fields.pop("body", None)) is not None:
        fields |= _body(body)
    if request.idempotency_key:
        fields["idempotency_key"] = request.idempotency_key
    spelt = {
        member: _checked(name, fields.pop(name)) for name, member in _JSON_FIELDS.items() if name in fields
    }
    # As `TaskDraft.from_fields` writes them.
    ours = {name: json.dumps(value, ensure_ascii=False) for name, value in fields.items()}
    return join(ours | spelt).encode()


def task_message(record: Record, caller: Caller, masking: Masking, *, body: bytes | None = None) -> pb.Task:
    """A task as this caller sees it, with its fetched bytes."""
    view = TaskView.of(caller.shown_record(record), masking)
    message = view_message(pb.Task, view)
    if body is not None:
        message.result.body = body
    return message


def view_message(kind: type[Kind], view: object) -> Kind:
    """A view as a message that has members of it."""
    message = kind()
    fill(message, view)
    return message


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _checked(name: str, text: str) -> str:
    """Raises `TaskInvalid` for what is not one JSON value: it could add members to the document."""
    try:
        check_depth(text.encode())
        count = len(elements(f"[{text}]".encode()))
    except JsonUnfit as exc:
        raise TaskInvalid([FieldError(field=name, message=f"is no JSON: {exc}")]) from exc
    if count != 1:
        raise TaskInvalid([FieldError(field=name, message="must be one JSON value")])
    return text
