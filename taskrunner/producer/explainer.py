"""The explainer gathers what `domain.explanation` decides from. It asks only for what can matter."""

import shlex
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock, to_ms
from taskrunner.domain.errors import BrokerUnavailable, TaskUnknown, TopologyConflict
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.keys.audit import AuditEntry, AuditFilter
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.queues.pauses import ALL, EXECUTOR, Pauses, with_disabled
from taskrunner.domain.queues.queue import QueueCounts, is_remote
from taskrunner.domain.tasks.explanation import Reason, explain
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.situation import Pause, QueueFacts, Situation
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.value import Value, replace
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.producer.queue_counter import QueueCounter
from taskrunner.stores.base import Store

# The rate of a queue is counted among the newest tasks that ended lately, this many of each status.
_SAMPLE = 100
_LATELY = timedelta(seconds=60)
# A pause is in the audit within this time of its beginning.
_AUDITED_WITHIN = timedelta(seconds=30)
_MAX_ENTRIES = 50


class Explanation(Value):
    """Why a task is not running now."""

    record: Record
    reasons: tuple[Reason, ...]


class Explainer:
    """Gathers what may hold a task back, and explains it."""

    def __init__(
        self,
        store: Store,
        counter: QueueCounter,
        declared: DeclaredQueues,
        hosts: HostAdmin,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._store = store
        self._counter = counter
        self._declared = declared
        self._hosts = hosts
        self._trail = trail
        self._clock = clock

    async def explain(self, task_id: str, *, sees_all: bool) -> Explanation:
        """`sees_all`: whether the caller may see the tasks of others. Raises `TaskUnknown`."""
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        situation = Situation(record=record, now=self._clock.now(), sees_all=sees_all)
        if record.status not in TERMINAL and record.status is not Status.RUNNING:
            situation = await self._gathered(situation)
        return Explanation(record=record, reasons=explain(situation))

    async def _gathered(self, situation: Situation) -> Situation:
        """`situation` of a task that waits, with all that may hold it back."""
        task = situation.record.task
        if situation.sees_all and task.url is not None:
            # The state of a host follows from the tasks of everybody.
            situation = replace(situation, host=await self._hosts.show(host_of(task.url)))
        executors = await self._store.executors() if task.executor is not None else ()
        since = with_disabled(await self._store.pauses(), executors)
        covering = Pauses(since).covering(task)
        pauses = [
            Pause(
                scope=scope,
                since=begun,
                by=await self.who_paused(scope, begun) if situation.sees_all and scope in covering else None,
            )
            for scope, begun in since.items()
        ]
        return await self._with_queue(replace(situation, pauses=tuple(pauses)))

    async def _with_queue(self, situation: Situation) -> Situation:
        name = situation.record.task.queue
        is_declared = name in self._declared.queues or is_remote(name)
        if not is_declared:
            return replace(situation, is_declared=False)
        try:
            known = await self._counter.counts()
        except (BrokerUnavailable, TopologyConflict) as exc:
            return replace(situation, broker_error=str(exc))
        if not known:
            return situation
        counts = known.get(name, QueueCounts(ready=0, consumers=0))
        is_behind = situation.record.status is Status.QUEUED and counts.ready and counts.consumers
        rate = await self._rate(name, situation.now) if is_behind else None
        queue = QueueFacts(ready=counts.ready, consumers=counts.consumers, rate=rate)
        return replace(situation, queue=queue, broker_blocked=self._counter.blocked())

    async def _rate(self, queue: str, now: datetime) -> float | None:
        """How many tasks of the queue end in a second, by those that ended lately."""
        ended: list[datetime] = []
        for status in (Status.SUCCEEDED, Status.FAILED):
            page = await self._store.list_tasks(status, limit=_SAMPLE, cursor=None)
            ended += [
                record.finished_at
                for record in page.items
                if record.task.queue == queue
                and record.finished_at is not None
                and record.finished_at > now - _LATELY
            ]
        if not ended:
            return None
        return len(ended) / max((now - min(ended)).total_seconds(), 1e-3)

    async def who_paused(self, scope: str, begun: datetime) -> str | None:
        """The key, or else the origin, of the first entry of the audit for this pause."""
        action = "executors" if scope.startswith(EXECUTOR) else "pause"
        wanted = AuditFilter(action=action, since=begun - _AUDITED_WITHIN, until=begun + _AUDITED_WITHIN)
        page = await self._trail.list(wanted, limit=_MAX_ENTRIES, cursor=None)
        for entry in reversed(page.items):
            # The store keeps milliseconds: rounded up, a pause begins after its own entry.
            if to_ms(entry.at) >= to_ms(begun) and _names(entry, scope):
                return entry.key or entry.origin
        return None


def _names(entry: AuditEntry, scope: str) -> bool:
    """Whether the target of an entry has this scope, as commands or as requests spell it."""
    kind, _, rest = scope.partition(":")
    if scope.startswith(EXECUTOR):
        return entry.target == rest
    asked = f"{ALL}=true" if scope == ALL else f"{kind}={rest}"
    return any(f" {each} " in f" {entry.target} " for each in (scope, asked, shlex.quote(asked)))
