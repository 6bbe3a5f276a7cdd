"""The submitter of a task: the API key that a request came with.

The tasks of a key that sees only its own have a namespace: their ids, and the names of its schedules,
begin in the store with the name of the key. So none of them can meet, or tell of, one of another key. The key
itself neither gives nor sees the beginning.
"""

import re

from taskrunner.domain.keys.api_key import NAME_PATTERN, ApiKey, Scope
from taskrunner.domain.messages import shown
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_fields import ID_PATTERN, REPORT_PREFIX
from taskrunner.domain.value import Value, replace

# In no id and no name that a client can give.
MARK = "~"
# In no Idempotency-Key and no dedup key that a client can send.
KEY_MARK = "\t"
_NAMESPACE = rf"(?:{NAME_PATTERN.pattern}{MARK})?"


class Submitter(Value):
    """`name` is that of the key; `isolated` if the key sees only its own tasks."""

    name: str
    isolated: bool

    @property
    def namespace(self) -> str:
        """How the ids of its tasks begin: an empty text unless it is isolated."""
        return f"{self.name}{MARK}" if self.isolated else ""

    def stored(self, name: str) -> str:
        """The id of a task or the name of a schedule, as the store has it."""
        return name if name.startswith(self.namespace) else self.namespace + name

    def shown(self, text: str) -> str:
        """The inverse of `stored`, also for ids and names in a sentence."""
        return text.replace(self.namespace, "") if self.isolated else text

    def stored_key(self, key: str | None) -> str | None:
        """An Idempotency-Key or a dedup key as the store has it: an isolated submitter meets only its own."""
        if key is None or not self.isolated:
            return key
        return f"{self.name}{KEY_MARK}{key}"

    def owned(self, task: Task) -> Task:
        """`task` as one of this submitter."""
        return replace(task, id=self.stored(task.id), created_by=self.name)


def submitter_of(key: ApiKey) -> Submitter:
    """Whoever submits with this key."""
    return Submitter(name=key.name, isolated=not key.allows(Scope.READ_ALL))


def namespace_for(key: ApiKey) -> str:
    """How the ids of its tasks begin."""
    return submitter_of(key).namespace


def stored_dedup_key(task: Task, submitter: Submitter | None) -> str | None:
    """The dedup key of a task, as the store has it."""
    if task.dedup is None or submitter is None:
        return None if task.dedup is None else task.dedup.key
    return submitter.stored_key(task.dedup.key)


def with_namespace(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """What the store has of names that fit `pattern`."""
    return re.compile(_NAMESPACE + pattern.pattern)


STORED_ID = with_namespace(ID_PATTERN)


def check_stored_id(task_id: str) -> str:
    """Raises `ValueError` for an id that no task can have: ids are used in URLs, keys and log lines."""
    if not STORED_ID.fullmatch(task_id):
        raise ValueError(f"must be 1 to 128 letters, digits or ._:-, got {shown(task_id)}")
    return task_id


def namespace_of(task_id: str) -> str:
    """The beginning of an id that its submitter does not see; an empty text for most."""
    name, mark, _ = task_id.rpartition(MARK)
    return name + mark


def without_namespace(name: str) -> str:
    """The id or name as its submitter knows it."""
    return name.rpartition(MARK)[2]


def is_report(task_id: str) -> bool:
    """Whether the task with this stored id is a report."""
    return without_namespace(task_id).startswith(REPORT_PREFIX)
