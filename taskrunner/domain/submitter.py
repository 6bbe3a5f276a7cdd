"""The submitter of a task: the API key that a request came with.

The tasks of a key that sees only its own have a namespace, see `namespace`.
"""

from taskrunner.domain.namespace import MARK
from taskrunner.domain.task import Task
from taskrunner.domain.value import Value, replace

# In no Idempotency-Key that a client can send.
KEY_MARK = "\t"


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

    def stored_key(self, idempotency_key: str | None) -> str | None:
        if idempotency_key is None or not self.isolated:
            return idempotency_key
        return f"{self.name}{KEY_MARK}{idempotency_key}"

    def owned(self, task: Task) -> Task:
        """`task` as one of this submitter."""
        return replace(task, id=self.stored(task.id), created_by=self.name)
