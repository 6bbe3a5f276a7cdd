"""Pauses: which tasks may not start.

A scope is `all`, `queue:NAME`, `label:NAME=VALUE` or `label:NAME`. A disabled executor is the scope
`executor:NAME`.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import check_declared, check_queue_name
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_limits import TaskLimits

ALL = "all"
# With the sign between name and value.
_MAX_LABEL_BYTES = TaskLimits().max_label_bytes + 1
_QUEUE, _LABEL, EXECUTOR = "queue:", "label:", "executor:"


def read_scopes(
    *, queues: Iterable[str], labels: Iterable[str], everything: bool, declared: Collection[str] | None = None
) -> list[str]:
    """The scopes of a request; `declared` are the queues that it may name, None for any.

    Raises `FilterInvalid`, also if there are none.
    """
    errors: list[FieldError] = []
    scopes = [ALL] if everything else []
    for queue in queues:
        scopes.append(f"{_QUEUE}{queue}")
        try:
            check_queue_name(queue)
            if declared is not None:
                check_declared(queue, declared)
        except ValueError as exc:
            errors.append(FieldError(field="queue", message=str(exc)))
    for label in labels:
        scopes.append(f"{_LABEL}{label}")
        if not label.partition("=")[0]:
            errors.append(
                FieldError(field="label", message=f"must be NAME=VALUE or NAME, got {shown(label)}")
            )
        elif len(label.encode()) > _MAX_LABEL_BYTES:
            message = f"is {len(label.encode())} bytes long; a task's label has at most {_MAX_LABEL_BYTES}"
            errors.append(FieldError(field="label", message=message))
    if not scopes:
        errors.append(FieldError(field="all", message="give a queue, a label or all"))
    if errors:
        raise FilterInvalid(errors)
    return scopes


def with_disabled(
    since: Mapping[str, datetime], executors: Iterable[Executor] | None
) -> Mapping[str, datetime]:
    """The stored pauses and those of disabled executors."""
    disabled = {f"{EXECUTOR}{each.name}": each.updated_at for each in executors or () if not each.enabled}
    return {**since, **disabled} if disabled else since


class Pauses:
    """The scopes in force. Scopes of other versions are ignored."""

    def __init__(self, scopes: Iterable[str] = ()) -> None:
        self.scopes = frozenset(scopes)
        self._labels = frozenset(
            scope.removeprefix(_LABEL) for scope in self.scopes if scope.startswith(_LABEL)
        )
        self._executors = frozenset(
            scope.removeprefix(EXECUTOR) for scope in self.scopes if scope.startswith(EXECUTOR)
        )

    def cover_queue(self, queue: str) -> bool:
        """Whether a queue is paused, or everything is."""
        return ALL in self.scopes or f"{_QUEUE}{queue}" in self.scopes

    @property
    def any_task(self) -> bool:
        """Whether any label or executor is paused, so that it depends on the task."""
        return bool(self._labels or self._executors)

    def covering(self, task: Task) -> frozenset[str]:
        """The scopes that hold this task back."""
        labels = {f"{_LABEL}{name}" for name in task.labels}
        values = {f"{_LABEL}{name}={value}" for name, value in task.labels.items()}
        by_executor = f"{EXECUTOR}{task.executor}"
        return self.scopes & {ALL, f"{_QUEUE}{task.queue}", by_executor, *labels, *values}

    def cover_task(self, task: Task) -> bool:
        """Whether a task is paused by its executor or one of its labels."""
        return task.executor in self._executors or any(
            name in self._labels or f"{name}={value}" in self._labels for name, value in task.labels.items()
        )
