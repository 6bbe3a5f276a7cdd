"""The intake turns drafts into stored tasks and publishes those that may run at once.

A task is accepted once the store has its record and due entry. Publishing it here is the fast path; the relay
publishes what the fast path leaves.
"""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import (
    BatchRefused,
    ExecutorDisabled,
    ExecutorNotKnown,
    StateConflict,
)
from taskrunner.domain.events import Events, TasksAccepted
from taskrunner.domain.tasks.fingerprint import fingerprint, own_fields
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.submitter import Submitter, stored_dedup_key
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_settings import TaskSettings, TaskSettingsSource
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import Value, replace
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.deduplication import Deduplication, is_replacing
from taskrunner.producer.publisher import Publisher
from taskrunner.producer.refusal import refusal_of
from taskrunner.producer.replication import Replication
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AcceptAnswer, Accepted, NewTask, Store

_BATCH = 500
# Seconds between two writes while submits come in parallel: larger groups cost less per task.
_SPACING = 0.004
_KNOWN = frozenset({AcceptAnswer.EXISTS, AcceptAnswer.HELD})


class Submitted(Value):
    """An accepted task. `created` is False when the same id or key had been submitted before.

    `deduplicated`: nothing was created, since task `id` holds the dedup key. `replaces` is only for a dry
    run: the task that would lose its dedup key.

    `published` is False while the broker has not confirmed it: the task is delayed, the relay will publish
    it, or its write concern does not wait for the broker. With a `refusal` nothing was accepted.
    """

    id: str
    task: Task
    created: bool
    published: bool
    deduplicated: bool = False
    replaces: str | None = None
    refusal: StateConflict | None = None


class Intake:
    """Accepts tasks. The relay leaves a new task to the fast path for `hold` seconds."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        events: Events,
        clock: Clock,
        task_settings: TaskSettingsSource,
        *,
        hold: float,
        webhooks: WebhookSource,
        retention: RetentionSettings = RetentionSettings(),  # noqa: B008 - frozen, so it may be shared
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._events = events
        self._clock = clock
        self._hold = timedelta(seconds=hold)
        self._task_settings = task_settings
        self._replication = Replication(store)
        self._deduplication = Deduplication(store, events, clock, retention, webhooks)
        self._accepting: Batcher[NewTask, Accepted] = Batcher(
            self._accept, limit=_BATCH, spacing=_SPACING, only_streams=True
        )

    @property
    def task_settings(self) -> TaskSettings:
        """The limits and defaults by which drafts are read now."""
        return self._task_settings.current

    def prepare(
        self,
        draft: TaskDraft,
        *,
        idempotency_key: str | None = None,
        submitter: Submitter | None = None,
        settings: TaskSettings | None = None,
    ) -> NewTask:
        """The task of a draft, ready to be accepted. Raises `TaskInvalid`, `ExecutorDisabled`."""
        settings = settings or self.task_settings
        now = self._clock.now()
        task = draft.to_task(settings, task_id=new_task_id(), now=now)
        if submitter is not None:
            task = submitter.owned(task)
            idempotency_key = submitter.stored_key(idempotency_key)
        concern = draft.effective_write_concern(settings)
        return NewTask.of(
            task,
            due=task.run_at or self._due(now),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(
                task,
                given_id=draft.id,
                delay=draft.delay,
                write_concern=concern if draft.executor is None else "",
                own="" if draft.executor is None else own_fields(draft),
            )
            if idempotency_key
            else "",
            write_concern=concern,
            dedup_key=stored_dedup_key(task, submitter),
        )

    async def prepare_any(
        self, draft: TaskDraft, *, idempotency_key: str | None = None, submitter: Submitter | None = None
    ) -> NewTask:
        """As `prepare`, also if another process has just made the executor. Raises `StoreUnavailable`.

        A request for a task that exists is repeated, although its executor is disabled by now.
        """
        try:
            return self.prepare(draft, idempotency_key=idempotency_key, submitter=submitter)
        except ExecutorNotKnown:
            if not await self.task_settings.executors.look_again():
                raise
        except ExecutorDisabled:
            repeat = self.prepare_repeat(draft, idempotency_key=idempotency_key, submitter=submitter)
            if repeat is None or not all(await self.are_known([repeat])):
                raise
            return repeat
        return self.prepare(draft, idempotency_key=idempotency_key, submitter=submitter)

    def prepare_repeat(
        self, draft: TaskDraft, *, idempotency_key: str | None = None, submitter: Submitter | None = None
    ) -> NewTask | None:
        """The task of a draft whose executor is disabled, to be accepted only if it is known.

        None if it cannot be: it has neither an id nor a key. Raises `TaskInvalid`.
        """
        if draft.executor is None or (draft.id is None and idempotency_key is None):
            return None
        settings = self.task_settings
        settings = replace(settings, executors=settings.executors.as_enabled(draft.executor))
        return self.prepare(draft, idempotency_key=idempotency_key, submitter=submitter, settings=settings)

    async def are_known(self, batch: Sequence[NewTask]) -> list[bool]:
        """Whether the store has the task, or another one under its id or key. Raises `StoreUnavailable`."""
        answers = await self._store.foresee(batch)
        return [answer.answer in {AcceptAnswer.EXISTS, AcceptAnswer.CONFLICT} for answer in answers]

    def _due(self, now: datetime) -> datetime:
        return now + self._hold if self._publisher.is_available else now

    async def submit(
        self, draft: TaskDraft, *, idempotency_key: str | None = None, submitter: Submitter | None = None
    ) -> Submitted:
        """Accept one task, in a batch with whatever else is being submitted.

        Raises `TaskInvalid`, `KeyReused`, `DedupKeyHeld`, `StateConflict` (the id is of another or a
        deleted task), `StoreUnavailable`, and `WriteUnconfirmed` for a task that no replica has yet: it may
        run, and can be submitted again.
        """
        if draft.executor is None:
            new = self.prepare(draft, idempotency_key=idempotency_key, submitter=submitter)
        else:
            new = await self.prepare_any(draft, idempotency_key=idempotency_key, submitter=submitter)
        is_replicated = new.write_concern is WriteConcern.REPLICATED
        if is_replicated:
            await self._replication.check()
        accepted = await self._accepting.submit(new)
        if accepted.answer is AcceptAnswer.HELD:
            (accepted,) = await self._deduplication.resolve([new], [accepted])
        if accepted.answer is not AcceptAnswer.CREATED:
            (refusal,) = await self._refusals([new], [accepted])
            if refusal is not None:
                raise refusal
        if is_replicated:
            # Also for a task that existed: its first submit may have ended unconfirmed.
            await self._replication.confirm([accepted.id])
        created = accepted.answer is AcceptAnswer.CREATED
        published = created and _runs_at_once(new) and await self._publish(new)
        return Submitted(
            id=accepted.id,
            task=new.task,
            created=created,
            published=published,
            deduplicated=accepted.answer is AcceptAnswer.HELD,
        )

    async def _publish(self, new: NewTask) -> bool:
        if new.write_concern is WriteConcern.STORE:
            self._publisher.publish_later(new)
            return False
        return await self._publisher.publish_accepted(new)

    async def submit_many(self, batch: Sequence[NewTask]) -> list[Submitted]:
        """Accept a batch: one write, one flush of publishes. Safe to repeat.

        Raises as `submit` does, except for conflicts, which are in the `refusal` of each.
        """
        return await self.complete(batch, await self.accept(batch))

    async def submit_all(self, batch: Sequence[NewTask]) -> list[Submitted]:
        """Accept a batch whole, in one step of the store; see `IntakeStore.accept_all`.

        Tasks that were accepted before hinder no others, so that it is safe to repeat. Raises as `submit`
        does, and `BatchRefused` with the numbers of the refused, from 0.
        """
        await self._check_replicas(batch)
        answers: dict[int, Accepted] = {}
        left = list(range(len(batch)))
        while left:
            found = await self._store.accept_all([batch[number] for number in left])
            answers |= zip(left, found, strict=True)
            known = [number for number in left if answers[number].answer is not AcceptAnswer.CREATED]
            if not known:
                self._events.emit(TasksAccepted(count=len(left)))
                break
            found_out = await self._refusals(
                [batch[number] for number in known], [answers[number] for number in known]
            )
            refused = [(number, each) for number, each in zip(known, found_out, strict=True) if each]
            if refused:
                raise BatchRefused(refused)
            left = [number for number in left if number not in known]
        return await self.complete(batch, [answers[number] for number in range(len(batch))])

    async def foresee(self, batch: Sequence[NewTask]) -> list[Submitted]:
        """What `submit_many` would answer, if nothing was published. Writes nothing. Raises as it does."""
        await self._check_replicas(batch)
        answers = await self._store.foresee(batch)
        foreseen = self._answered(batch, answers, await self._refusals(batch, answers), published=set())
        return [
            replace(each, id=new.id, created=True, deduplicated=False, replaces=each.id, refusal=None)
            if is_replacing(new, answer)
            else each
            for new, answer, each in zip(batch, answers, foreseen, strict=True)
        ]

    async def accept(self, batch: Sequence[NewTask]) -> Sequence[Accepted]:
        """The first half of `submit_many`. Of two with the same id or key, that of the first call wins."""
        await self._check_replicas(batch)
        return await self._deduplication.resolve(batch, await self._accept(batch))

    async def complete(self, batch: Sequence[NewTask], answers: Sequence[Accepted]) -> list[Submitted]:
        """The second half: publish what is new, and find out what the other answers mean."""
        if _is_replicated(batch):
            # A conflict is with a task that may be deleted by now.
            stored = [answer.id for answer in answers if answer.answer is not AcceptAnswer.CONFLICT]
            await self._replication.confirm(stored)
        # By position, not by id: of two tasks with one id the store has only the first.
        created = [answer.answer is AcceptAnswer.CREATED for answer in answers]
        ready = [
            new for new, is_created in zip(batch, created, strict=True) if is_created and _runs_at_once(new)
        ]
        awaited = [new for new in ready if new.write_concern is not WriteConcern.STORE]
        unpublished = {new.id for new in ready if new.write_concern is WriteConcern.STORE}
        for new in ready:
            if new.id in unpublished:
                self._publisher.publish_later(new)
        if awaited:
            unpublished |= {new.id for new in await self._publisher.publish(awaited, by_relay=False)}
        published = {new.id for new in ready}.difference(unpublished)
        return self._answered(batch, answers, await self._refusals(batch, answers), published)

    @staticmethod
    def _answered(
        batch: Sequence[NewTask],
        answers: Sequence[Accepted],
        refusals: Sequence[StateConflict | None],
        published: Set[str],
    ) -> list[Submitted]:
        return [
            Submitted(
                id=answer.id,
                task=new.task,
                created=answer.answer is AcceptAnswer.CREATED,
                published=answer.answer is AcceptAnswer.CREATED and answer.id in published,
                deduplicated=answer.answer is AcceptAnswer.HELD,
                refusal=refusal,
            )
            for new, answer, refusal in zip(batch, answers, refusals, strict=True)
        ]

    async def _refusals(
        self, batch: Sequence[NewTask], answers: Sequence[Accepted]
    ) -> list[StateConflict | None]:
        """Why each was not accepted although the store can be reached; None if it was, now or before."""
        if all(answer.answer is AcceptAnswer.CREATED for answer in answers):
            return [None] * len(batch)
        existing = {answer.id: None for answer in answers if answer.answer in _KNOWN}
        known = await self._store.get_many(list(existing)) if existing else {}
        return [
            refusal_of(new, answer, known.get(answer.id)) for new, answer in zip(batch, answers, strict=True)
        ]

    async def _check_replicas(self, batch: Sequence[NewTask]) -> None:
        if _is_replicated(batch):
            await self._replication.check()

    async def drain(self) -> None:
        """Wait for the submits under way."""
        await self._accepting.drain()
        await self._replication.drain()

    async def _accept(self, batch: Sequence[NewTask]) -> Sequence[Accepted]:
        answers = await self._store.accept(batch)
        self._events.emit(TasksAccepted(count=sum(a.answer is AcceptAnswer.CREATED for a in answers)))
        return answers


def _is_replicated(batch: Sequence[NewTask]) -> bool:
    return any(new.write_concern is WriteConcern.REPLICATED for new in batch)


def _runs_at_once(new: NewTask) -> bool:
    return new.task.run_at is None
