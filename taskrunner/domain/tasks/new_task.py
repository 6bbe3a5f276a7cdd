"""A new task: what a store writes when it accepts a task, and what the publisher then publishes."""

from datetime import datetime
from typing import Self

import uuid_utils

from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.submitter import namespace_of
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import Value


def new_task_id() -> str:
    """A UUIDv7 (RFC 9562): ids sort by creation time."""
    return str(uuid_utils.uuid7())


class StoredTask(Value):
    """A task in its stored form, ready to be published: `encoded` is the task by `codec.encode`.

    `attempt` is the number of the last attempt that started, 0 before the first. `snoozes` is how often the
    task was put off.
    """

    id: str
    queue: str
    encoded: bytes
    attempt: int = 0
    snoozes: int = 0


class NewTask(StoredTask):
    """A task to accept; `due` is when the relay publishes it.

    `fingerprint` identifies the request that carried `idempotency_key`: the same key with another
    fingerprint is a conflict. `attempt` is above 0 only for a task whose record was lost; the attempt limit
    is then at least one more. `write_concern` is what the acceptance waits for. `dedup_key` is that of the
    task, as the store has it; None for a task that is accepted whoever holds its key.
    """

    task: Task
    due: datetime
    idempotency_key: str | None = None
    fingerprint: str = ""
    write_concern: WriteConcern = WriteConcern.BROKER
    dedup_key: str | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        due: datetime,
        attempt: int = 0,
        idempotency_key: str | None = None,
        fingerprint: str = "",
        write_concern: WriteConcern = WriteConcern.BROKER,
        dedup_key: str | None = None,
    ) -> Self:
        return cls(
            id=task.id,
            queue=task.queue,
            encoded=encode(task),
            attempt=attempt,
            task=task,
            due=due,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            write_concern=write_concern,
            dedup_key=dedup_key,
        )

    @property
    def max_attempts(self) -> int:
        return self.task.max_attempts

    @property
    def created_at(self) -> datetime:
        return self.task.created_at

    @property
    def namespace(self) -> str | None:
        """How the id begins if only one API key and operators see it."""
        return namespace_of(self.id) or None

    @property
    def dedup_until(self) -> datetime | None:
        """The end of the time for which the task holds its dedup key, although it may have ended."""
        dedup = self.task.dedup if self.dedup_key is not None else None
        return None if dedup is None else dedup.held_until(self.created_at)

    @property
    def deadline(self) -> datetime | None:
        """No attempt starts after this time."""
        return self.task.expires_at
