"""The views of leases, heartbeats and ends of attempts."""

from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from taskrunner.api.views.view import View
from taskrunner.domain.executors.remote_lease import LeaseState, RemoteLease, UpdateAnswer
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime


class LeasedTaskView(View):
    """An attempt to run. `token` proves that it is yours: all tasks of one call have the same.

    `timeout` is that of the attempt, in seconds.
    """

    id: str
    attempt: int
    token: str
    data: msgspec.Raw
    lease_until: AwareDatetime
    timeout: float
    max_attempts: int
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    labels: Mapping[str, str]
    traceparent: str | None

    @classmethod
    def of(cls, lease: RemoteLease) -> Self:
        task = lease.task
        data = msgspec.Raw((task.body or "null").encode("utf-8", "replace"))
        return cls.copy(
            task, attempt=lease.attempt, token=lease.token, data=data, lease_until=lease.lease_until
        )


class LeasedTasks(View):
    """What was leased; nothing if nothing came in time."""

    tasks: Sequence[LeasedTaskView]


class HeartbeatView(View):
    """`held`: the lease is extended until `lease_until`. In any other state, stop the attempt."""

    state: LeaseState
    lease_until: AwareDatetime | None


class StatusView(View):
    """`applied`, or `repeated` for an attempt that was ended with this token before. `status` is that now."""

    id: str
    answer: UpdateAnswer
    status: Status | None
