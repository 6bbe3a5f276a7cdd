"""The declaration of a handler: the executor that its code asks for, held against the rules of executors."""

from collections.abc import Mapping
from typing import Any

from taskrunner.domain.codec import encode
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.python.manifest import HandlerManifest


def declared(handler: HandlerManifest) -> Mapping[str, Any]:
    """The fields of its executor that its code decides on."""
    return {
        "description": handler.description,
        "schema": None if handler.schema is None else encode(handler.schema).decode(),
        "retry": handler.retry,
        "max_attempts": handler.max_attempts,
        "timeout": handler.timeout,
        "queue": handler.queue,
    }


def check_declaration(handler: HandlerManifest, limits: TaskLimits) -> None:
    """Raises `ExecutorInvalid` with all findings, as a request that creates this executor does."""
    asked = {**declared(handler), "name": handler.name, "kind": ExecutorKind.PYTHON, "schema": handler.schema}
    ExecutorDraft.from_json(encode(asked), limits)
