"""The operation: one action on many tasks or dead letters, done in the background, step by step.

It acts on what matched when it was made. Each step is saved under a lease, so that one process at a time runs
it and another goes on where that one died. A step that is done twice changes nothing the second time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from taskrunner.domain.clock import SKEW
from taskrunner.domain.keys.audit import Actor, conditions_target, ids_target
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import Value, replace

# The reasons that an operation keeps, and the ids that one may name.
MOST_REASONS = 20
MOST_IDS = 1000
# A percentage of fewer ended tasks means nothing.
_MIN_ENDED = 10
# The order in which a task goes through them, so that a task that moves on meanwhile is met again.
_ORDER = (
    Status.SCHEDULED,
    Status.RETRYING,
    Status.QUEUED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
)


class OperationAction(StrEnum):
    """What is done to each."""

    CANCEL = "cancel"
    REQUEUE = "requeue"
    DELETE = "delete"


class Resource(StrEnum):
    """What an operation acts on."""

    TASKS = "tasks"
    DEAD_LETTERS = "dead-letters"


class OperationStatus(StrEnum):
    """The first three are live. `stopped`: by `stop_at`; `failed`: by a fault of taskrunner."""

    WAITING = "waiting"
    RUNNING = "running"
    ABORTING = "aborting"
    COMPLETED = "completed"
    STOPPED = "stopped"
    ABORTED = "aborted"
    FAILED = "failed"


LIVE_OPERATION = frozenset({OperationStatus.WAITING, OperationStatus.RUNNING, OperationStatus.ABORTING})

# The statuses that each action applies to, in `_ORDER`.
STATUSES: Mapping[OperationAction, tuple[Status, ...]] = {
    OperationAction.CANCEL: tuple(status for status in _ORDER if status in LIVE),
    OperationAction.REQUEUE: (Status.FAILED,),
    OperationAction.DELETE: _ORDER,
}


class StopAt(Value):
    """When to stop early: at more failures than this, or at more than this percentage."""

    percent: float | None = None
    failures: int | None = None

    def is_reached(self, *, ended: int, failed: int) -> bool:
        if self.failures is not None and failed > self.failures:
            return True
        return self.percent is not None and ended >= _MIN_ENDED and failed * 100 > self.percent * ended


class Refusal(Value):
    """Why the action was refused for one task or dead letter."""

    id: str
    reason: str


class RequeueSample(Value):
    """Requeued tasks that are watched: the ids of those that have not ended, and how the others ended."""

    watched: tuple[str, ...] = ()
    ended: int = 0
    failed: int = 0


class OperationProgress(Value):
    """`matched` is the sum of `done`, `skipped` (changed meanwhile) and `failed`, unless it is a dry run."""

    matched: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    reasons: tuple[Refusal, ...] = ()
    cursor: str | None = None
    sample: RequeueSample = RequeueSample()


class BulkOperation(Value):
    """`filter` has the moments of its conditions; `conditions` are those as they were given.

    With `ids`, in the form of the store, the filter only has the namespace. An operation that has ended keeps
    only how many they were, `ids_count`, since lists read every operation. `rate` is items per second. Since
    `repeats_since`, a step may have been done in part.
    """

    id: str
    action: OperationAction
    resource: Resource
    filter: TaskFilter
    conditions: tuple[tuple[str, str], ...] = ()
    ids: tuple[str, ...] = ()
    ids_count: int = 0
    limit: int | None = None
    rate: float | None = None
    stop_at: StopAt | None = None
    dry_run: bool = False
    actor: Actor
    created_at: datetime
    status: OperationStatus = OperationStatus.WAITING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    progress: OperationProgress = OperationProgress()
    runner: str | None = None
    leased_at: datetime | None = None
    lease_until: datetime | None = None
    repeats_since: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_OPERATION

    @property
    def named(self) -> int:
        """How many ids it was made for; 0 if it was not made for ids."""
        return self.ids_count or len(self.ids)

    @property
    def target(self) -> str:
        """What it acts on, for the audit: ids, or the conditions as they are typed on a command line.

        After its end, the number of the ids.
        """
        if self.ids:
            return ids_target(self.ids)
        if self.named:
            return "1 id" if self.named == 1 else f"{self.named} ids"
        limit = [] if self.limit is None else [("limit", str(self.limit))]
        return conditions_target([*(self.conditions or [("all", "true")]), *limit])

    @property
    def described(self) -> str:
        """In one line, for the audit."""
        return f"{self.id}: {self.action} {self.resource} {self.target}"

    @property
    def left(self) -> int | None:
        """How many more items the operation may act on; None for any number."""
        return None if self.limit is None else max(0, self.limit - self.progress.matched)

    @property
    def ended_before(self) -> datetime:
        """What failed later was requeued by this operation, or not there when it was made."""
        made = self.created_at + timedelta(seconds=SKEW)
        return made if self.repeats_since is None else min(made, self.repeats_since)

    @property
    def wants_stop(self) -> bool:
        """Whether `stop_at` is reached. Of requeued tasks, only those that have ended count."""
        if self.stop_at is None:
            return False
        progress, sample = self.progress, self.progress.sample
        failed = progress.failed + sample.failed
        is_requeue = self.action is OperationAction.REQUEUE
        ended = progress.failed + sample.ended if is_requeue else progress.failed + progress.done
        return self.stop_at.is_reached(ended=ended, failed=failed)

    def is_free(self, now: datetime) -> bool:
        """Whether no process holds its lease."""
        return self.lease_until is None or self.lease_until <= now

    def leased(self, runner: str, *, now: datetime, until: datetime) -> "BulkOperation":
        status = OperationStatus.RUNNING if self.status is OperationStatus.WAITING else self.status
        before = self if self.runner in {None, runner} else self.repeating()
        return replace(
            before,
            status=status,
            started_at=self.started_at or now,
            runner=runner,
            leased_at=now,
            lease_until=until,
        )

    def repeating(self) -> "BulkOperation":
        """For a step whose end nobody saved: what it has requeued failed again since it was last saved."""
        # The lease is renewed between two repetitions of one step: the first counts.
        return replace(self, repeats_since=self.repeats_since or self.leased_at)

    def released(self) -> "BulkOperation":
        return replace(self, runner=None, leased_at=None, lease_until=None)

    def ended(self, status: OperationStatus, now: datetime, error: str | None = None) -> "BulkOperation":
        sample = replace(self.progress.sample, watched=())
        return replace(
            self.released(),
            status=status,
            ended_at=now,
            error=error,
            ids=(),
            ids_count=self.named,
            progress=replace(self.progress, sample=sample),
        )
