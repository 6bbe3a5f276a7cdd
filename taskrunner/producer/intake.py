"""The intake turns drafts into stored tasks and sends them on their way.

A draft is accepted once the store has its record and its due line; publishing it is the fast path.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.draft import Draft, TaskRules
from taskrunner.domain.envelope import encode_task
from taskrunner.domain.errors import StateConflict
from taskrunner.domain.events import Events, TasksAccepted
from taskrunner.domain.task import Task, new_task_id
from taskrunner.producer.publisher import Outgoing, Publisher
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AcceptAnswer, Accepted, NewTask, Store

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """An accepted task. `created` is False when the same id or key had been submitted before.

    `published` is False while the broker has not confirmed it: it is delayed, or the relay will do it.
    """

    id: str
    task: Task
    created: bool
    published: bool


class Intake:
    """Accepts tasks; `hold` is the seconds for which a new task is left to the fast path."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        events: Events,
        clock: Clock,
        rules: TaskRules,
        *,
        hold: float,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._events = events
        self._clock = clock
        self._hold = timedelta(seconds=hold)
        self.rules = rules
        self._accepting: Batcher[NewTask, Accepted] = Batcher(self._accept, limit=_BATCH)

    async def submit(self, draft: Draft, *, idempotency_key: str | None = None) -> Submitted:
        """Accept one task, in a group with whatever else is being submitted.

        Raises `TaskInvalid`, `StateConflict` (the key was used for another request), `StoreUnavailable`.
        """
        task, new = self._prepare(draft, idempotency_key)
        accepted = await self._accepting.submit(new)
        _refuse_conflict(accepted, idempotency_key)
        if accepted.answer is not AcceptAnswer.CREATED:
            return Submitted(id=accepted.id, task=task, created=False, published=False)
        published = task.run_at is None and await self._publisher.publish_accepted(_outgoing(task, new))
        return Submitted(id=task.id, task=task, created=True, published=published)

    async def submit_many(self, drafts: Sequence[Draft]) -> list[Submitted]:
        """Accept a batch: one write, one flush of publishes. Raises as `submit`, without writing a part."""
        prepared = [self._prepare(draft, None) for draft in drafts]
        answers = await self._accept([new for _, new in prepared])
        created = [answer.answer is AcceptAnswer.CREATED for answer in answers]
        ready = [
            _outgoing(task, new)
            for (task, new), fresh in zip(prepared, created, strict=True)
            if fresh and task.run_at is None
        ]
        left = {item.id for item in await self._publisher.publish(ready, by_relay=False)}
        published = {item.id for item in ready} - left
        return [
            Submitted(id=answer.id, task=task, created=fresh, published=task.id in published)
            for (task, _), answer, fresh in zip(prepared, answers, created, strict=True)
        ]

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._accepting.drain()

    def _prepare(self, draft: Draft, key: str | None) -> tuple[Task, NewTask]:
        now = self._clock.now()
        task = draft.to_task(self.rules, task_id=new_task_id(), now=now)
        new = NewTask(
            id=task.id,
            encoded=encode_task(task),
            lane=task.lane,
            max_attempts=task.max_attempts,
            created_at=now,
            due=task.run_at or now + self._hold,
            idempotency_key=key,
            fingerprint=_fingerprint(draft) if key else "",
        )
        return task, new

    async def _accept(self, batch: Sequence[NewTask]) -> Sequence[Accepted]:
        answers = await self._store.accept(batch)
        self._events.emit(TasksAccepted(count=sum(a.answer is AcceptAnswer.CREATED for a in answers)))
        return answers


def _outgoing(task: Task, new: NewTask) -> Outgoing:
    return Outgoing(id=task.id, lane=task.lane, encoded=new.encoded, attempt=1)


def _fingerprint(draft: Draft) -> str:
    return hashlib.sha256(draft.model_dump_json(exclude_none=True).encode()).hexdigest()


def _refuse_conflict(accepted: Accepted, key: str | None) -> None:
    if accepted.answer is AcceptAnswer.CONFLICT:
        raise StateConflict(
            f"Idempotency-Key {key!r} was used for another request (task {accepted.id}); use a new key"
        )
