"""The intake turns drafts into stored tasks and sends them on their way.

A draft is accepted once the store has its record and its due line; publishing it is the fast path.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StateConflict
from taskrunner.domain.events import Events, TasksAccepted
from taskrunner.domain.task import Task
from taskrunner.domain.task_draft import TaskDraft, TaskPolicy
from taskrunner.domain.task_id import new_task_id
from taskrunner.domain.value import Value
from taskrunner.domain.write_concern import WriteConcern
from taskrunner.producer.publisher import Outgoing, Publisher
from taskrunner.producer.replication import Replication
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AcceptAnswer, Accepted, IntakeStore, NewTask

_BATCH = 500


class Prepared(Value):
    """A checked task, what the store is to write for it, and what its acceptance waits for."""

    task: Task
    new: NewTask
    concern: WriteConcern = WriteConcern.BROKER

    @property
    def at_once(self) -> bool:
        """Whether it is to be published now rather than by the relay when it is due."""
        return self.task.run_at is None

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(id=self.task.id, queue=self.task.priority, encoded=self.new.encoded, attempt=1)


class Submitted(Value):
    """An accepted task. `created` is False when the same id or key had been submitted before.

    `published` is False while the broker has not confirmed it: it is delayed, or the relay will do it, or its
    write concern does not wait for that.
    """

    id: str
    task: Task
    created: bool
    published: bool


class Intake:
    """Accepts tasks; `hold` is the seconds for which a new task is left to the fast path."""

    def __init__(
        self,
        store: IntakeStore,
        publisher: Publisher,
        events: Events,
        clock: Clock,
        rules: TaskPolicy,
        *,
        hold: float,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._events = events
        self._clock = clock
        self._hold = timedelta(seconds=hold)
        self.rules = rules
        self._replication = Replication(store)
        self._accepting: Batcher[NewTask, Accepted] = Batcher(self._accept, limit=_BATCH)

    def prepare(self, draft: TaskDraft, *, idempotency_key: str | None = None) -> Prepared:
        """The task of a draft, ready to be written. Raises `TaskInvalid`."""
        now = self._clock.now()
        task = draft.to_task(self.rules, task_id=new_task_id(), now=now)
        new = NewTask.of(
            task,
            due=task.run_at or self._due(now),
            idempotency_key=idempotency_key,
            fingerprint=_fingerprint(draft) if idempotency_key else "",
        )
        return Prepared(task=task, new=new, concern=draft.concern(self.rules))

    def _due(self, now: datetime) -> datetime:
        """A new task is left to the fast path for a while, unless that is no way at present."""
        return now + self._hold if self._publisher.answers else now

    async def submit(self, draft: TaskDraft, *, idempotency_key: str | None = None) -> Submitted:
        """Accept one task, in a group with whatever else is being submitted.

        Raises `TaskInvalid`, `StateConflict` (the key was used for another request, or the id belonged to a
        deleted task), `StoreUnavailable`, and `WriteUnconfirmed` for a task that no replica has yet: it may
        run, and can be submitted again.
        """
        prepared = self.prepare(draft, idempotency_key=idempotency_key)
        replicated = prepared.concern is WriteConcern.REPLICATED
        if replicated:
            await self._replication.check()
        accepted = await self._accepting.submit(prepared.new)
        _refuse_conflict(accepted, idempotency_key)
        if replicated:
            # For one that was there already, too: its first submit may have ended unconfirmed.
            await self._replication.confirm([accepted.id])
        created = accepted.answer is AcceptAnswer.CREATED
        published = created and prepared.at_once and await self._publish(prepared)
        return Submitted(id=accepted.id, task=prepared.task, created=created, published=published)

    async def _publish(self, prepared: Prepared) -> bool:
        if prepared.concern is WriteConcern.STORE:
            self._publisher.publish_later(prepared.outgoing)
            return False
        return await self._publisher.publish_accepted(prepared.outgoing)

    async def submit_many(self, batch: Sequence[Prepared]) -> list[Submitted]:
        """Accept a batch: one write, one flush of publishes. Safe to repeat. Raises as `submit` does."""
        replicated = any(prepared.concern is WriteConcern.REPLICATED for prepared in batch)
        if replicated:
            await self._replication.check()
        answers = await self._accept([prepared.new for prepared in batch])
        if replicated:
            # A conflict is with a task that may be deleted by now.
            there = [answer.id for answer in answers if answer.answer is not AcceptAnswer.CONFLICT]
            await self._replication.confirm(there)
        # By place, not by id: of two tasks with one id only the first is what the store has.
        created = [answer.answer is AcceptAnswer.CREATED for answer in answers]
        ready = [
            prepared for prepared, is_new in zip(batch, created, strict=True) if is_new and prepared.at_once
        ]
        awaited = [each.outgoing for each in ready if each.concern is not WriteConcern.STORE]
        left = {each.task.id for each in ready if each.concern is WriteConcern.STORE}
        for each in ready:
            if each.task.id in left:
                self._publisher.publish_later(each.outgoing)
        if awaited:
            left |= {item.id for item in await self._publisher.publish(awaited, by_relay=False)}
        return [
            Submitted(
                id=answer.id,
                task=prepared.task,
                created=is_new,
                published=is_new and prepared.at_once and answer.id not in left,
            )
            for prepared, answer, is_new in zip(batch, answers, created, strict=True)
        ]

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._accepting.drain()
        await self._replication.drain()

    async def _accept(self, batch: Sequence[NewTask]) -> Sequence[Accepted]:
        answers = await self._store.accept(batch)
        self._events.emit(TasksAccepted(count=sum(a.answer is AcceptAnswer.CREATED for a in answers)))
        return answers


def _fingerprint(draft: TaskDraft) -> str:
    return hashlib.sha256(
        draft.model_dump_json(exclude_none=True, exclude={"traceparent"}).encode()
    ).hexdigest()


def _refuse_conflict(accepted: Accepted, key: str | None) -> None:
    if accepted.answer is not AcceptAnswer.CONFLICT:
        return
    if key is None:
        raise StateConflict(f"the id {accepted.id} was that of a task that is deleted; use a new id")
    raise StateConflict(
        f"Idempotency-Key {key!r} was used for another request (task {accepted.id}); use a new key"
    )
