"""A dry run: what a submit would do, and when its attempts would be, without anything being stored."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.targets.address import AddressClass
from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.tasks.task import AwareDatetime, Task
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import Value

# As many as a task may have by default.
MAX_PLANNED = 100


class PlannedAttempt(Value):
    """An attempt starts in this span, unless an earlier one has ended the task.

    `delay_min` and `delay_max` are the seconds that it waits after the attempt before it.
    """

    number: int
    earliest: AwareDatetime
    latest: AwareDatetime
    delay_min: float
    delay_max: float


class TargetState(StrEnum):
    """Whether an attempt may dial its target.

    `UNRESOLVED`: the name has no address. `UNKNOWN`: the look-up had no answer in time, or could not begin.
    `BY_PROXY`: the egress proxy looks the name up.
    """

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    UNKNOWN = "unknown"
    BY_PROXY = "by_proxy"


class CheckedAddress(Value):
    """An address of the target; `address` is None for one that is refused: nobody may map a network so."""

    address: str | None
    address_class: AddressClass | None
    refusal: DialRefusal | None


class TargetVerdict(Value):
    """What the SSRF guard says of a target, as seen from the process that was asked."""

    state: TargetState
    host: str
    port: int
    addresses: Sequence[CheckedAddress]


class DryRun(Value):
    """What a submit would do. `existing_id` is the task that would be the answer, None for a new one.

    `deduplicated`: since it holds the dedup key. `replaces_id` is the task that would lose its dedup key.
    `target` is None for a task that is no request. `executor` is that of the task; the data fits its schema.
    """

    task: Task
    write_concern: WriteConcern
    existing_id: str | None
    deduplicated: bool
    replaces_id: str | None
    attempts: Sequence[PlannedAttempt]
    target: TargetVerdict | None
    executor: Executor | None = None

    @property
    def is_queued(self) -> bool:
        """Whether the submit would answer `queued`; never, if it does not wait for the broker."""
        return self.task.run_at is None and self.write_concern is not WriteConcern.STORE


def planned_attempts(task: Task) -> list[PlannedAttempt]:
    """When the attempts of `task` would start if each before them failed, the first `MAX_PLANNED`.

    An attempt starts at the earliest if those before it fail at once and jitter shortens each delay most, and
    at the latest if each takes its whole timeout. None starts from the task's deadline on.
    """
    earliest = latest = task.run_at or task.created_at
    shortest = longest = 0.0
    planned: list[PlannedAttempt] = []
    for number in range(1, min(task.max_attempts, MAX_PLANNED) + 1):
        if number > 1:
            shortest, longest = task.retry.delay(number - 1, 1.0), task.retry.delay(number - 1, 0.0)
            earliest += timedelta(seconds=shortest)
            latest += timedelta(seconds=task.timeout + longest)
        if task.expires_at is not None:
            if earliest >= task.expires_at:
                break
            latest = min(latest, task.expires_at)
        planned.append(
            PlannedAttempt(
                number=number, earliest=earliest, latest=latest, delay_min=shortest, delay_max=longest
            )
        )
    return planned
