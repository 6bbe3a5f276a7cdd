"""The request headers of an attempt: the task's own, and those that every attempt sends."""

from taskrunner.domain.tasks.cache_validators import condition
from taskrunner.domain.tasks.submitter import without_namespace
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.trace import traceparent

# Only taskrunner sets these: a receiver must be able to trust them.
RESERVED = frozenset({"taskrunner-task-id", "taskrunner-attempt"})


def identity(task: Task, attempt: int) -> dict[str, str]:
    """The headers that identify the task and the attempt."""
    return {
        "Idempotency-Key": task.id,
        "Taskrunner-Task-Id": without_namespace(task.id),
        "Taskrunner-Attempt": str(attempt),
        "traceparent": traceparent(task.id, attempt, task.traceparent),
    }


def token_id(task: Task, attempt: int) -> str:
    """An id that no other attempt of any task has."""
    return f"{task.id}.{attempt}"


def request_headers(task: Task, attempt: int, user_agent: str) -> dict[str, str]:
    """All headers; those of the task overrule ours, except the reserved ones."""
    given = {name.lower() for name in task.headers} - RESERVED
    ours = {"User-Agent": user_agent, **identity(task, attempt)}
    asked = task.validators is not None and task.validators.url == task.url
    return {
        **{name: value for name, value in ours.items() if name.lower() not in given},
        **{name: value for name, value in task.headers.items() if name.lower() not in RESERVED},
        **(condition(task.validators) if asked and task.validators else {}),
    }
