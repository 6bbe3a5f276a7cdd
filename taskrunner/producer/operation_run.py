"""The run of an operation: the process that holds its lease does one step after the other.

Law: a step is saved before the next one begins.
"""

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.domain.operations.bulk_operation import (
    MOST_REASONS,
    BulkOperation,
    OperationAction,
    OperationProgress,
    OperationStatus,
    RequeueSample,
)
from taskrunner.domain.process_events import AuditLost
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.value import replace
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.bulk_actions import BulkActions, Step
from taskrunner.producer.operation_lease import OperationLease
from taskrunner.stores.base import Store, StoredOperation

# Seconds between two renewals of the lease.
_RENEW = 3.0
# Operations that may be live, and those of them that one process runs at a time.
MOST_RUNS = 200
MOST_TAKEN = 20
# What one step acts on, and with `stop_at`, so that tasks of earlier steps get the time to end.
_PAGE = 500
_WAVE = 100
# Requeued tasks that are watched, and those that are looked at before each step.
_MOST_WATCHED = 1000
_MOST_READS = 200


class OperationRuns:
    """Takes operations for this process; `name` is one that no other process has."""

    def __init__(
        self,
        store: Store,
        bulk_actions: BulkActions,
        trail: AuditTrail,
        events: Events,
        clock: Clock,
        *,
        name: str,
    ) -> None:
        self.store = store
        self.bulk_actions = bulk_actions
        self.trail = trail
        self.events = events
        self.clock = clock
        self.name = name

    async def take(self, stored: StoredOperation) -> "OperationRun | None":
        """The run of an operation that nobody runs; None if it ended or another process was faster."""
        operation = stored.operation
        if not operation.is_live or not operation.is_free(self.clock.now()):
            return None
        run = OperationRun(self, stored)
        return run if await run.renew() else None


class OperationRun:
    """`operation` is the state as this process knows it; `lost` an audit entry that could not be written."""

    def __init__(self, runs: OperationRuns, stored: StoredOperation) -> None:
        self._runs = runs
        self._lease = OperationLease(runs.store, runs.trail, runs.clock, stored, runs.name)
        self._next_at = runs.clock.monotonic()

    @property
    def operation(self) -> BulkOperation:
        return self._lease.operation

    @property
    def lost(self) -> AuditLost | None:
        return self._lease.lost

    async def advance(self) -> float | None:
        """Do the next step if its time has come; the seconds until the next one, None if there is none.

        Raises `OutsideError`; then the same call goes on.
        """
        if not await self._lease.save_again():
            return None
        if not self.operation.is_live:
            return None
        now = self._runs.clock.monotonic()
        if self._is_aborting():
            following = self._ended(self.operation, OperationStatus.ABORTED)
        elif now < self._next_at:
            if now - self._lease.saved_at >= _RENEW and not await self.renew():
                return None
            return min(self._next_at - now, _RENEW)
        elif now - self._lease.saved_at >= _RENEW and not await self.renew():
            return None  # the steps of others took as long as the lease
        elif self._is_aborting():
            return 0.0
        else:
            following = await self._stepped()
        if not await self._lease.save(following) or not self.operation.is_live:
            return None
        return min(max(0.0, self._next_at - self._runs.clock.monotonic()), _RENEW)

    def notice(self, stored: StoredOperation) -> None:
        """Take over what another process has written: it may have asked for the end."""
        self._lease.notice(stored)

    async def release(self) -> None:
        """Let another process go on at once."""
        if self.operation.is_live:
            await self._lease.save(self.operation, release=True)

    async def renew(self) -> bool:
        """False if the lease was lost."""
        return await self._lease.save(self.operation)

    async def _stepped(self) -> BulkOperation:
        """The operation after the next step. An unexpected error ends it: others must not wait for it."""
        operation = self.operation
        try:
            operation = await self._watched(operation)
            if operation.wants_stop:
                return self._ended(operation, OperationStatus.STOPPED)
            size = _size(operation)
            step = await self._runs.bulk_actions.step(operation, size) if size else Step(matched=0)
        except OutsideError:
            # It may have taken effect all the same.
            self._lease.operation = self.operation.repeating()
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of an operation
            self._runs.events.emit(LoopFailed(service=f"operation {operation.id}", error=exc))
            error = f"{type(exc).__name__}: a fault of taskrunner; the log has it"
            return self._ended(operation, OperationStatus.FAILED, error)
        if operation.rate is not None:
            now = self._runs.clock.monotonic()
            self._next_at = max(self._next_at + step.matched / operation.rate, now)
        operation = replace(operation, progress=_after(operation, step))
        if step.cursor is not None and operation.left != 0:
            return operation
        operation = await self._watched(operation)
        stopped = operation.wants_stop
        return self._ended(operation, OperationStatus.STOPPED if stopped else OperationStatus.COMPLETED)

    async def _watched(self, operation: BulkOperation) -> BulkOperation:
        """Look at the oldest of the watched tasks; the others follow before the next step."""
        sample = operation.progress.sample
        checked, later = sample.watched[:_MOST_READS], list(sample.watched[_MOST_READS:])
        if not checked:
            return operation
        records = await self._runs.store.get_many(checked)
        ended = failed = 0
        for task_id in checked:
            record = records.get(task_id)
            if record is None:
                continue  # it was deleted
            if record.status in TERMINAL:
                ended += 1
                failed += record.status is Status.FAILED
            else:
                later.append(task_id)
        watched = RequeueSample(
            watched=tuple(later), ended=sample.ended + ended, failed=sample.failed + failed
        )
        return replace(operation, progress=replace(operation.progress, sample=watched))

    def _is_aborting(self) -> bool:
        return self.operation.status is OperationStatus.ABORTING

    def _ended(
        self, operation: BulkOperation, status: OperationStatus, error: str | None = None
    ) -> BulkOperation:
        return operation.ended(status, self._runs.clock.now(), error)


def _size(operation: BulkOperation) -> int:
    """How many the next step acts on: at most a second's worth."""
    sizes = [_PAGE if operation.stop_at is None else _WAVE]
    if operation.rate is not None:
        sizes.append(max(1, int(operation.rate)))
    if operation.left is not None:
        sizes.append(operation.left)
    return min(sizes)


def _after(operation: BulkOperation, step: Step) -> OperationProgress:
    progress = operation.progress
    refused, done = len(step.refused), len(step.done)
    sample = progress.sample
    if operation.stop_at is not None and operation.action is OperationAction.REQUEUE:
        watched = (*sample.watched, *step.done)
        sample = replace(sample, watched=watched[-_MOST_WATCHED:])
    return replace(
        progress,
        matched=progress.matched + step.matched,
        done=progress.done + done,
        skipped=progress.skipped + (0 if operation.dry_run else max(0, step.matched - done - refused)),
        failed=progress.failed + refused,
        reasons=(*progress.reasons, *step.refused)[:MOST_REASONS],
        cursor=step.cursor,
        sample=sample,
    )
