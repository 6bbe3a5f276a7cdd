"""A new task: what a store is to write when it accepts one."""

from datetime import datetime

from taskrunner.domain.task import Priority
from taskrunner.domain.value import value


@value
class NewTask:
    """A task to accept. `encoded` is the task by `encode_task`; `due` is when the relay is to publish it.

    `fingerprint` identifies the request that carried `idempotency_key`: the same key with another
    fingerprint is a conflict. `attempt` is the number of attempts made before, above 0 only for a task
    whose record was lost; the attempt limit is then at least one more. From `deadline` on no attempt starts.
    """

    id: str
    encoded: bytes
    queue: Priority
    max_attempts: int
    created_at: datetime
    due: datetime
    idempotency_key: str | None = None
    fingerprint: str = ""
    attempt: int = 0
    deadline: datetime | None = None
