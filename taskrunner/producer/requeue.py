"""Requeue gives dead letters another life: failed tasks go on, messages are read once more."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import decode_envelope
from taskrunner.domain.errors import EnvelopeUnreadable, StateConflict, TaskInvalid, TaskUnknown
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.task import Task
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.producer.intake import Intake
from taskrunner.producer.publisher import Publisher, StoredTask
from taskrunner.stores.base import AcceptAnswer, NewTask, Store


class Requeue:
    """Requeues dead letters; `hold` is the seconds for which a requeued task is left to the fast path."""

    def __init__(
        self, store: Store, intake: Intake, publisher: Publisher, clock: Clock, *, hold: float
    ) -> None:
        self._store = store
        self._intake = intake
        self._publisher = publisher
        self._clock = clock
        self._hold = timedelta(seconds=hold)

    async def requeue(self, letter_id: str) -> str:
        """Revive one dead letter; answers the id of the task that goes on.

        Raises `TaskUnknown`, `StateConflict` (it is no longer failed, or still unreadable),
        `StoreUnavailable`.
        """
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            return await self._read_again(letter, None)
        if not await self.requeue_tasks([letter_id]):
            raise StateConflict(f"task {letter_id} is not failed, so there is nothing to requeue")
        return letter_id

    async def requeue_all(self, letters: Sequence[DeadLetter], *, due: datetime | None = None) -> list[str]:
        """Revive dead letters; answers the ids of the tasks that go on. What cannot go on stays where it is.

        With `due` they run no earlier, else at once. Raises `StoreUnavailable`.
        """
        tasks = [letter.id for letter in letters if letter.kind is DeadLetterKind.TASK]
        ids = await self.requeue_tasks(tasks, due=due)
        for listed in letters:
            if listed.kind is DeadLetterKind.TASK:
                continue
            letter = await self._store.dead_letter(listed.id)
            with suppress(StateConflict):
                ids += [] if letter is None else [await self._read_again(letter, due)]
        return ids

    async def requeue_tasks(self, ids: Sequence[str], *, due: datetime | None = None) -> list[str]:
        """Let failed tasks go on, with their history; answers the ids of those that were failed."""
        now = self._clock.now()
        at_once = due is None and self._publisher.answers
        when = due or (now + self._hold if at_once else now)
        requeued = [each for each in await self._store.requeue(ids, now=now, due=when) if each is not None]
        if at_once and requeued:
            # What is not published now is due soon, and the relay does it.
            outgoing = [
                StoredTask(
                    id=each.id,
                    queue=each.queue,
                    encoded=each.encoded,
                    attempt=each.attempt + 1,
                    snoozes=each.snoozes,
                )
                for each in requeued
            ]
            await self._publisher.publish(outgoing, by_relay=False)
        return [each.id for each in requeued]

    async def _read_again(self, letter: DeadLetter, due: datetime | None) -> str:
        try:
            content = decode_envelope(letter.raw or b"", self._intake.rules.limits)
            if isinstance(content, TaskDraft):
                task_id = await self._submit(content, letter, due)
            else:
                task_id = await self._restore(content.task, due)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            raise StateConflict(f"the message is still unreadable ({exc}); submit a corrected task") from exc
        await self._store.remove_dead_message(letter.id)
        return task_id

    async def _submit(self, draft: TaskDraft, letter: DeadLetter, due: datetime | None) -> str:
        """As the consumer would have read it: in the queue it came by, and never twice.

        The letter's id makes one task of two requests, and of one that is repeated after a crash before the
        letter was taken out. A write concern is for who waits for an answer, and nobody does.
        """
        said: dict[str, object] = {
            "id": draft.id or letter.id,
            "priority": draft.priority or letter.queue,
            "write_concern": None,
        }
        if due is not None and draft.delay is None and draft.run_at is None:
            said["run_at"] = due
        return (await self._intake.submit(draft.model_copy(update=said))).id

    async def _restore(self, task: Task, due: datetime | None) -> str:
        """The task that an envelope of ours holds; one that the store still has is left as it stands."""
        now = self._clock.now()
        new = NewTask.of(
            task,
            due=due or now,
        )
        (accepted,) = await self._store.accept([new])
        if accepted.answer is AcceptAnswer.CONFLICT:
            raise StateConflict(f"the message holds task {task.id}, which was deleted")
        return accepted.id
