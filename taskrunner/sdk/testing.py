"""Runs a handler in a test, without servers, as a worker would, and tells what happens to the task.

def test_a_photo_is_resized() -> None:
    ended = run(resize_image, {"url": "https://example.com/a.jpg", "width": 100})
    assert (ended.status, ended.result) == ("succeeded", {"width": 100})
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from taskrunner.domain.codec import encode
from taskrunner.domain.executors.data_schema import DataSchema
from taskrunner.domain.retries.retry import decide
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task as StoredTask
from taskrunner.domain.tasks.task_settings import TaskDefaults
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.python.definition import Handler, HandlerDefinition
from taskrunner.handlers.python.dependency import Dependency
from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.handler import PythonHandler
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.handlers.python.result import to_json
from taskrunner.handlers.python.runtime import PythonRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRun:
    """What happens to the task. `status` is its next status: succeeded, failed, retrying or cancelled.

    `result` is what the handler returned, read back from the JSON that is stored. `delay` is the seconds
    until the next attempt, None if there is none. `counted` is False for an attempt that was put off.
    `progress` is what the handler told last.
    """

    status: Status
    result: Any = None
    error: str | None = None
    delay: float | None = None
    counted: bool = True
    progress: Progress | None = None
    outcome: Outcome = field(repr=False)


def run(
    handler: str | Callable[..., object] | Handler[Any],
    data: object = None,
    *,
    attempt: int = 1,
    deadline: datetime | None = None,
    cancelled: bool = False,
    task_id: str = "test",
    dependencies: Mapping[Dependency[Any], object] | None = None,
) -> HandlerRun:
    """Run attempt number `attempt` of a task with this data, until `deadline` at most.

    `handler` is the function, the instance or the name that was registered. `dependencies` are used in place
    of those that the module opens; all others are opened and closed. Data that the schema refuses at submit
    fails the task. Raises `ValueError` for a handler that
    is not registered or not sound.
    """
    definition = _find(handler)
    now = datetime.now(UTC)
    timeout = definition.timeout or TaskDefaults().timeout
    task = StoredTask(
        id=task_id,
        executor=definition.name,
        body=to_json(data).decode(),
        timeout=timeout if deadline is None else max(0.001, (deadline - now).total_seconds()),
        max_attempts=_attempts(definition),
        retry=RetryPolicy() if definition.retry is None else definition.retry.policy(),
        created_at=now,
    )
    context = AttemptContext(task, attempt, cancelled)
    outcome = _refused(definition, None if task.body == "null" else task.body)
    if outcome is None:
        with _runtime(dependencies or {}) as runtime:
            outcome = PythonHandler(runtime).run(context)
    verdict = decide(
        task, outcome, attempt=attempt, attempt_limit=task.max_attempts, now=now, random=random.random()
    )
    response = outcome.response
    return HandlerRun(
        status=verdict.status,
        result=None if response is None else json.loads(response.body),
        error=outcome.error,
        delay=None if verdict.due is None else (verdict.due - now) / timedelta(seconds=1),
        counted=verdict.counted,
        progress=context.progress,
        outcome=outcome,
    )


def _find(handler: object) -> HandlerDefinition:
    for definition in REGISTRY.definitions:
        owner = getattr(definition.function, "__self__", definition.function)
        if handler in (definition.name, definition.function) or handler is owner:
            break
    else:
        raise ValueError(f"{handler!r} is not registered as a handler: use @handler or register()")
    findings = [str(each) for each in findings_of(REGISTRY) if each.place == definition.place]
    if findings:
        raise ValueError("; ".join(findings))
    return definition


def _refused(definition: HandlerDefinition, data: str | None) -> Outcome | None:
    """The failure that stands for a refused submit, which checks data only against the JSON Schema."""
    schema = definition.handler_schema.json_schema
    findings = [] if schema is None else DataSchema(encode(schema).decode()).findings(data)
    if not findings:
        return None
    error = f"A task with this data is refused when it is submitted: {'; '.join(map(str, findings))}"
    return Outcome(kind=OutcomeKind.HANDLER_ERROR, retryable=False, error=error)


def _attempts(definition: HandlerDefinition) -> int:
    given = None if definition.retry is None else definition.retry.attempts
    return TaskDefaults().max_attempts if given is None else given


@contextmanager
def _runtime(dependencies: Mapping[Dependency[Any], object]) -> Iterator[PythonRuntime]:
    runtime = PythonRuntime(REGISTRY, max_result_bytes=FetchSettings().store_body_bytes)
    for dependency, value in dependencies.items():
        dependency.replace(value)
    runtime.start()
    try:
        yield runtime
    finally:
        runtime.close()
