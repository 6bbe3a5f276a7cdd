"""A remote lease: an attempt that a program elsewhere may run, and the token that proves it.

The record names the holder of the attempt by the digest of the token's secret, so that it can be shown.
"""

import hashlib
import re
import secrets
from datetime import datetime
from enum import StrEnum
from typing import Self

from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import REMOTE_PREFIX
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value

TOKEN_PATTERN = r"^([0-9]{1,9})\.([A-Za-z0-9_-]{22})$"  # noqa: S105 - how tokens look
_TOKEN = re.compile(TOKEN_PATTERN.strip("^$"))
_DIGEST_CHARS = 16
WORKER_PATTERN = r"^[A-Za-z0-9._:@-]{1,64}$"
_WORKER = re.compile(WORKER_PATTERN.strip("^$"))


def queue_of(executor: str) -> str:
    """The queue in which the tasks of a remote executor wait."""
    return REMOTE_PREFIX + executor


def check_worker_name(text: str) -> str:
    """A name that a worker may have. Raises `ValueError`."""
    if not _WORKER.fullmatch(text):
        raise ValueError(f"must be 1 to 64 letters, digits or ._:@-, got {shown(text)}")
    return text


def check_token(text: str) -> str:
    """What can be the token of a lease. Raises `ValueError`, without the text."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("is not a token of a lease: give the token that came with the task")
    return text


class LeaseToken(Value):
    """Proves that an attempt was leased to whoever has it."""

    attempt: int
    secret: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for a malformed token."""
        found = _TOKEN.fullmatch(text)
        return None if found is None else cls(attempt=int(found[1]), secret=found[2])

    def __str__(self) -> str:
        return f"{self.attempt}.{self.secret}"

    def attempt_of(self, record: Record) -> Attempt | None:
        """The attempt that was leased with this token, ended or not; None if the record does not have it."""
        holder_ends = f"/{_digest(self.secret)}"
        found = (each for each in record.attempts if each.number == self.attempt)
        return next((each for each in found if (each.consumer or "").endswith(holder_ends)), None)

    def runs(self, record: Record) -> bool:
        """Whether the attempt runs now."""
        return (
            record.status is Status.RUNNING
            and record.attempt == self.attempt
            and self.attempt_of(record) is not None
        )


def new_secret() -> str:
    """For the tokens of one call: tasks that were leased together can be ended together."""
    return secrets.token_urlsafe(16)


def holder(worker: str, secret: str) -> str:
    """The name of the consumer in the record."""
    return f"{worker}/{_digest(secret)}"


def slot_of(task_id: str, attempt: int) -> str:
    """The name of the slot that a lease takes from the concurrency of its executor."""
    return _digest(f"{task_id}#{attempt}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:_DIGEST_CHARS]


class RemoteLease(Value):
    """An attempt that was leased."""

    task: Task
    attempt: int
    token: str
    lease_until: datetime


class LeaseState(StrEnum):
    """The state of a lease."""

    HELD = "held"  # and extended
    CANCELLED = "cancelled"  # the task was cancelled or deleted: stop
    TIMED_OUT = "timed_out"  # the attempt's timeout is over: the lease is no longer extended
    LOST = "lost"  # the lease ran out; the task goes on elsewhere or has ended
    ENDED = "ended"  # its worker ended the attempt with this token


class UpdateAnswer(StrEnum):
    """The answer to a worker that ends an attempt."""

    APPLIED = "applied"
    REPEATED = "repeated"  # the same end was reported with this token before; nothing has changed
    LATE = "late"  # the attempt is over; nothing has changed
