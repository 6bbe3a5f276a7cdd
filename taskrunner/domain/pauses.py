"""Pauses: which tasks may not start. A scope is `all`, `queue:NAME`, `label:NAME=VALUE` or `label:NAME`."""

from collections.abc import Iterable, Mapping

from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.messages import shown
from taskrunner.domain.queue import check_queue_name
from taskrunner.domain.task import Task
from taskrunner.domain.task_limits import TaskLimits

ALL = "all"
# With the sign between name and value.
_MAX_LABEL_BYTES = TaskLimits().max_label_bytes + 1
_QUEUE, _LABEL = "queue:", "label:"


def read_scopes(*, queues: Iterable[str], labels: Iterable[str], everything: bool) -> list[str]:
    """The scopes of a request. Raises `FilterInvalid`, also if there are none."""
    errors: list[FieldError] = []
    scopes = [ALL] if everything else []
    for queue in queues:
        scopes.append(f"{_QUEUE}{queue}")
        try:
            check_queue_name(queue)
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


class Pauses:
    """The scopes in force. Scopes of other versions are ignored."""

    def __init__(self, scopes: Iterable[str] = ()) -> None:
        self.scopes = frozenset(scopes)
        self._labels = frozenset(
            scope.removeprefix(_LABEL) for scope in self.scopes if scope.startswith(_LABEL)
        )

    def cover_queue(self, queue: str) -> bool:
        """Whether a queue is paused, or everything is."""
        return ALL in self.scopes or f"{_QUEUE}{queue}" in self.scopes

    @property
    def any_label(self) -> bool:
        """Whether any label is paused."""
        return bool(self._labels)

    def covering(self, task: Task) -> frozenset[str]:
        """The scopes that hold this task back."""
        labels = {f"{_LABEL}{name}" for name in task.labels}
        values = {f"{_LABEL}{name}={value}" for name, value in task.labels.items()}
        return self.scopes & {ALL, f"{_QUEUE}{task.queue}", *labels, *values}

    def cover_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether a task with these labels is paused by one of them."""
        return any(
            name in self._labels or f"{name}={value}" in self._labels for name, value in labels.items()
        )
