"""What the limits of this installation say of the fields of tasks and executors, in JSON Schema."""

from collections.abc import Mapping
from typing import Any

from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits

# By field. A duration that is a text has no bounds in JSON Schema.
_KEYWORDS: Mapping[str, tuple[str, str]] = {
    "delay": ("maximum", "max_delay"),
    "timeout": ("maximum", "max_timeout"),
    "max_attempts": ("maximum", "max_attempts"),
    "headers": ("maxProperties", "max_headers"),
    "labels": ("maxProperties", "max_labels"),
}
# Field, keyword, limit.
Bounds = tuple[tuple[str, str, float], ...]


def bounds_of(limits: TaskLimits) -> Bounds:
    """What the limits demand of fields."""
    return tuple((field, word, getattr(limits, name)) for field, (word, name) in _KEYWORDS.items())


def bounded(schemas: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    """The definitions of drafts, by their names, with the bounds in those of tasks and executors."""
    changed = dict(schemas)
    for name in (TaskDraft.__name__, ExecutorDraft.__name__):
        if name in changed:
            properties = dict(changed[name]["properties"])
            for field, word, limit in bounds:
                if field in properties:
                    properties[field] = {**properties[field], word: limit}
            changed[name] = {**changed[name], "properties": properties}
    return changed
