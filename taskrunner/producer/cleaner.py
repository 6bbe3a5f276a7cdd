"""The cleaner fails tasks whose deadline has passed, and removes what has outlived its retention.

It needs only the store: a task ends at its deadline even if the broker is away, the queue is long or no
consumer runs. Any number of cleaners may run.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import EnvelopeUnreadable
from taskrunner.domain.events import Events, TaskExpired
from taskrunner.domain.tasks.envelope import decode_task
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.settlement import RetentionSettings, by_retention
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AttemptRef, Due, Store

# Redis and SQLite do nothing else during a call.
_BATCH = 1000
# The audit is small, and looking for the newest entries costs more than looking for old ones.
_MOST_AUDIT_ENTRIES = 100_000
_MOST_OPERATIONS = 10_000
_HISTORY_INTERVAL = 60.0
# The reason of a task that failed at its deadline.
EXPIRED = "expired"
_ERROR = "no attempt had started by its expires_at"
_Expired = tuple[Due, Task | None]


class Cleaner(Service):
    """One turn expires and prunes a batch each; the next turn follows at once while there is more."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        retention: RetentionSettings,
        webhooks: WebhookSource,
        *,
        interval: float,
    ) -> None:
        super().__init__("cleaner", events)
        self._store = store
        self._clock = clock
        self._retention = retention
        self._webhooks = webhooks
        self._interval = interval
        self._history_due = 0.0

    async def turn(self) -> float:
        now = self._clock.now()
        expired = await self._expire(now)
        pruned = await self._store.prune(now=now, limit=_BATCH)
        removed = await self._prune_history(now)
        return 0.0 if max(expired, pruned, removed) >= _BATCH else self._interval

    async def _prune_history(self, now: datetime) -> int:
        if self._clock.monotonic() < self._history_due:
            return 0
        await self._store.prune_changes(now=now)
        before = now - timedelta(seconds=self._retention.audit)
        entries = await self._store.prune_audit(before=before, most=_MOST_AUDIT_ENTRIES, limit=_BATCH)
        before = now - timedelta(seconds=self._retention.operations)
        ended = await self._store.prune_operations(before=before, most=_MOST_OPERATIONS, limit=_BATCH)
        removed = max(entries, ended)
        if removed < _BATCH:
            self._history_due = self._clock.monotonic() + _HISTORY_INTERVAL
        return removed

    async def _expire(self, now: datetime) -> int:
        """Fail a batch of expired tasks; returns its size."""
        expired = [(due, _task(due)) for due in await self._store.past_deadline(now=now, limit=_BATCH)]
        groups = by_retention(((each, each[1]) for each in expired), now, self._retention.failed)
        for seconds, group in groups.items():
            await self._fail(group, now, seconds)
        return len(expired)

    async def _fail(self, expired: Sequence[_Expired], now: datetime, keep: float) -> None:
        refs = [
            AttemptRef(id=due.id, attempt=due.attempt + 1, follow_ups=self._follow_ups(due, task, now))
            for due, task in expired
        ]
        failed = await self._store.fail(
            refs, now=now, reason=EXPIRED, error=_ERROR, retention=keep, past_deadline=True
        )
        for (due, task), done in zip(expired, failed, strict=True):
            if done:
                self._events.emit(TaskExpired(id=due.id, attempts=due.attempt, task=task, error=_ERROR))

    def _follow_ups(self, due: Due, task: Task | None, now: datetime) -> tuple[NewTask, ...]:
        if task is None:
            return ()  # nobody can read who asked for a report
        end = End(task=task, status=Status.FAILED, attempt=due.attempt, error=_ERROR, outcome=None, now=now)
        return follow_ups(end, self._webhooks.in_force)


def _task(due: Due) -> Task | None:
    try:
        return decode_task(due.encoded)
    except EnvelopeUnreadable:
        return None  # the task must end all the same
