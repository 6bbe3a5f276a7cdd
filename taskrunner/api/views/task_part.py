"""Parts of the view of a task: the members that a client asked for by `fields` or `view`."""

import types
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from taskrunner.api.views.task import TaskView
from taskrunner.api.views.view import View

TASK_FIELDS = TaskView.__struct_fields__
# What a list of tasks shows to people: no headers, attempts, results or rules.
BASIC_FIELDS = (
    "id",
    "status",
    "attempt",
    "attempt_limit",
    "error",
    "reason",
    "created_at",
    "updated_at",
    "due_at",
    "finished_at",
    "waits_for",
    "progress",
    "url",
    "method",
    "queue",
    "labels",
    "created_by",
)


def _optional_members(namespace: dict[str, Any]) -> None:
    """Those of `TaskView`, each of which may be left out."""
    hints = get_type_hints(TaskView)
    namespace |= dict.fromkeys(TASK_FIELDS, msgspec.UNSET)
    namespace["__annotations__"] = {name: hints[name] | msgspec.UnsetType for name in TASK_FIELDS}
    namespace["__doc__"] = "The members of a `TaskView` that `fields` or `view` asked for."
    namespace["__module__"] = __name__


if TYPE_CHECKING:

    class TaskPart(View):
        """The members of a `TaskView` that `fields` or `view` asked for."""
else:
    TaskPart = types.new_class("TaskPart", (View,), exec_body=_optional_members)


class TaskPartPage(View):
    """A part of a list, whose tasks have the members that were asked for."""

    tasks: Sequence[TaskPart]
    next_cursor: str | None


def part_of(task: TaskView, names: Collection[str]) -> Any:
    """`task` with the members of these names."""
    return TaskPart(**{name: getattr(task, name) for name in names})
