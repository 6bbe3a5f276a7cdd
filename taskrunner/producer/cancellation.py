"""Cancellation ends tasks by request: live tasks can be cancelled, any task can be deleted.

A waiting task is cancelled by one conditional write. A running task is cancelled by settling its attempt: the
store then refuses the worker's outcome, and the consumer, which checks for this, aborts the fetch.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.events import Events, TasksCancelled, TasksDeleted
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.settlement import RetentionSettings, Settlement, by_retention, settlement
from taskrunner.domain.tasks.status import CLAIMABLE, TERMINAL, Status
from taskrunner.domain.webhooks.webhook import Webhook, WebhookSource
from taskrunner.stores.base import AttemptRef, Store
from taskrunner.stores.values import seen_state

# A task that changes status between our read and our write is read again; each time it has moved on.
_MAX_TRIES = 10
_ERROR = "cancelled by request"
_OUTCOME = Outcome(kind=OutcomeKind.CANCELLED, error="cancelled by request while it ran")
_VERDICT = Verdict(status=Status.CANCELLED, reason="cancelled")


# Raises if a task in this state is not to be changed.
TaskCheck = Callable[[Record], Awaitable[None]]


class Cancellation:
    """Cancels and deletes. The id of a deleted task is remembered for the retention of a cancelled task."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        retention: RetentionSettings,
        webhooks: WebhookSource,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._retention = retention
        self._webhooks = webhooks

    async def cancel(self, task_id: str, *, check: TaskCheck | None = None) -> Record:
        """Cancel a task; returns its record. A cancelled task is left as it is.

        `check` sees the state that is changed; only a lease may be renewed in between.

        Raises `TaskUnknown`, `StateConflict` (it has succeeded or failed), `StoreUnavailable`.
        """
        for _ in range(_MAX_TRIES):
            record = await self._store.get(task_id)
            if record is None:
                raise TaskUnknown.of(task_id)
            if record.status in TERMINAL - {Status.CANCELLED}:
                raise StateConflict(f"task {task_id} has {record.status}, so there is nothing to cancel")
            if check is not None:
                await check(record)
            if record.status is Status.CANCELLED:
                return record
            if await self.cancel_all([record], seen=seen_state(record) if check else None):
                check = None
        raise StateConflict(f"task {task_id} changed its status {_MAX_TRIES} times meanwhile; try again")

    async def cancel_all(self, records: Sequence[Record], *, seen: str | None = None) -> list[str]:
        """Cancel the tasks whose attempts are still those of these records; returns their ids.

        With `seen`, a waiting task must be in just this state, see `seen_state`.

        Raises `StoreUnavailable`.
        """
        now = self._clock.now()
        webhooks = self._webhooks.in_force
        keep = self._retention.keep(Status.CANCELLED)
        waiting = [
            (waiting_ref(record, now, webhooks, error=_ERROR), record.task)
            for record in records
            if record.status in CLAIMABLE
        ]
        running = [self._cancelled_attempt(record) for record in records if record.status is Status.RUNNING]
        ids: list[str] = []
        answers: list[bool] = []
        for seconds, refs in by_retention(waiting, now, keep).items():
            answers += await self._store.cancel(refs, now=now, error=_ERROR, retention=seconds, seen=seen)
            ids += [ref.id for ref in refs]
        answers += await self._store.settle(running, now=now)
        ids += [item.id for item in running]
        if any(answers):
            self._events.emit(TasksCancelled(count=sum(answers)))
        return [task_id for task_id, done in zip(ids, answers, strict=True) if done]

    async def delete(self, task_id: str, *, check: TaskCheck | None = None) -> None:
        """Delete a task, whatever its status. Raises `TaskUnknown`, `StoreUnavailable`.

        `check` sees the state that is deleted.
        """
        for _ in range(_MAX_TRIES):
            seen = None
            if check is not None:
                record = await self._store.get(task_id)
                if record is None:
                    raise TaskUnknown.of(task_id)
                await check(record)
                seen = seen_state(record)
            if await self.delete_all([task_id], seen=seen):
                return
            if check is None:
                raise TaskUnknown.of(task_id)
        raise StateConflict(f"task {task_id} changed {_MAX_TRIES} times meanwhile; try again")

    async def delete_all(
        self, ids: Sequence[str], *, status: Status | None = None, seen: str | None = None
    ) -> list[str]:
        """Delete tasks, with `status` or `seen` only those that are so; returns their ids.

        Raises `StoreUnavailable`.
        """
        keep, now = self._retention.keep(Status.CANCELLED), self._clock.now()
        answers = await self._store.delete(ids, now=now, retention=keep, status=status, seen=seen)
        if any(answers):
            self._events.emit(TasksDeleted(count=sum(answers)))
        return [task_id for task_id, done in zip(ids, answers, strict=True) if done]

    def _cancelled_attempt(self, record: Record) -> Settlement:
        now = self._clock.now()
        last = record.attempts[-1]
        attempt = Attempt(number=record.attempt, consumer=last.consumer, started_at=last.started_at)
        return settlement(
            record.task,
            attempt,
            _OUTCOME,
            _VERDICT,
            self._retention,
            now=now,
            webhooks=self._webhooks.in_force,
        )


def waiting_ref(record: Record, now: datetime, webhooks: Sequence[Webhook], *, error: str) -> AttemptRef:
    """The attempt that a task waits for, with the reports of its cancellation because of `error`."""
    task, made = record.task, record.attempt
    end = End(task=task, status=Status.CANCELLED, attempt=made, error=error, outcome=None, now=now)
    return AttemptRef(id=task.id, attempt=made + 1, follow_ups=follow_ups(end, webhooks))
