"""A handler that does nothing: what remains is the cost of the queue."""

from typing import Any

from taskrunner.sdk import Task, handler


@handler("noop")
def noop(task: Task[Any]) -> None:
    """Does nothing."""
