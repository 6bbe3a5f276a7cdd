"""Tasks as messages: what `NewTask` asks for, and what the API shows of a task."""

import base64

from taskrunner.api.auth.access import Caller
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.masking import Masking
from taskrunner.domain.tasks.record import Record
from taskrunner.grpc.messages import fields_of, json_document, view_message
from taskrunner.v1 import task_executor_pb2 as pb


def draft_json(request: pb.AddTaskRequest, traceparent: str | None = None) -> bytes:
    """The task as `POST /tasks` takes it. Raises `TaskInvalid` for what JSON cannot hold."""
    fields = fields_of(request.task, TaskInvalid)
    if traceparent is not None:
        fields.setdefault("traceparent", traceparent)
    if (body := fields.pop("body", None)) is not None:
        fields |= _body(body)
    if request.idempotency_key:
        fields["idempotency_key"] = request.idempotency_key
    return json_document(fields, TaskInvalid)


def task_message(record: Record, caller: Caller, masking: Masking, *, body: bytes | None = None) -> pb.Task:
    """A task as this caller sees it, with its fetched bytes."""
    view = TaskView.of(caller.shown_record(record), masking)
    message = view_message(pb.Task, view)
    if body is not None:
        message.result.body = body
    return message


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
