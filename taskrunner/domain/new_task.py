"""A new task: what a store is to write when it accepts one."""

from datetime import datetime
from typing import Self

from taskrunner.domain.codec import encode
from taskrunner.domain.task import Priority, Task
from taskrunner.domain.value import Value


class NewTask(Value):
    """A task to accept. `encoded` is the task by `codec.encode`; `due` is when the relay is to publish it.

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

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        due: datetime,
        attempt: int = 0,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> Self:
        """What is to be written for `task`."""
        return cls(
            id=task.id,
            encoded=encode(task),
            queue=task.priority,
            max_attempts=task.max_attempts,
            created_at=task.created_at,
            due=due,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            attempt=attempt,
            deadline=task.expires_at,
        )
