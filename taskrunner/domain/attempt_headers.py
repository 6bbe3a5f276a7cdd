"""What every attempt says of itself to its target, beside what the task says."""

from taskrunner.domain.task import Task
from taskrunner.domain.trace import traceparent
from taskrunner.domain.validators import condition

# Names that only we may set: a receiver must be able to trust them.
RESERVED = frozenset({"taskrunner-task-id", "taskrunner-attempt"})


def identity(task: Task, attempt: int) -> dict[str, str]:
    """The headers that name the task and the attempt; the id is the same at each of them."""
    return {
        "Idempotency-Key": task.id,
        "Taskrunner-Task-Id": task.id,
        "Taskrunner-Attempt": str(attempt),
        "traceparent": traceparent(task.id, attempt, task.traceparent),
    }


def request_headers(task: Task, attempt: int, user_agent: str) -> dict[str, str]:
    """All headers that are decided on by us or the task; the task's own win where they may."""
    given = {name.lower() for name in task.headers} - RESERVED
    ours = {"User-Agent": user_agent, **identity(task, attempt)}
    asked = task.validators is not None and task.validators.url == task.url
    return {
        **{name: value for name, value in ours.items() if name.lower() not in given},
        **{name: value for name, value in task.headers.items() if name.lower() not in RESERVED},
        **(condition(task.validators) if asked and task.validators else {}),
    }
