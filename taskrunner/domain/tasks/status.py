"""The status table: the statuses of a task, and which may follow which."""

from enum import StrEnum


class Status(StrEnum):
    """The status of a task. All but the last three have a due time in the store."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
LIVE = frozenset(Status) - TERMINAL

# `running` may follow `scheduled` and `retrying` directly: a delivery can overtake the mark that it was
# published. A waiting task fails without an attempt at its deadline, or when the broker dead-letters it.
# `failed -> scheduled` is a requeue. A snoozed task becomes `scheduled`, also if it is already.
FOLLOWERS: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset(
        {Status.SCHEDULED, Status.QUEUED, Status.RUNNING, Status.FAILED, Status.CANCELLED}
    ),
    Status.QUEUED: frozenset(
        {Status.SCHEDULED, Status.QUEUED, Status.RUNNING, Status.FAILED, Status.CANCELLED}
    ),
    Status.RUNNING: frozenset(
        {Status.SUCCEEDED, Status.FAILED, Status.RETRYING, Status.SCHEDULED, Status.CANCELLED}
    ),
    Status.RETRYING: frozenset(
        {Status.SCHEDULED, Status.QUEUED, Status.RUNNING, Status.FAILED, Status.CANCELLED}
    ),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset({Status.SCHEDULED}),
    Status.CANCELLED: frozenset(),
}

CLAIMABLE = frozenset(status for status in Status if Status.RUNNING in FOLLOWERS[status])
PUBLISHABLE = frozenset(status for status in Status if Status.QUEUED in FOLLOWERS[status])
