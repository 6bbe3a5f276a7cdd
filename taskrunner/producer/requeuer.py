"""The requeuer sends dead letters round again: failed tasks get new attempts, messages are read once more."""

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
from taskrunner.producer.publisher import Publisher
from taskrunner.stores.base import AcceptAnswer, NewTask, Store


class Requeuer:
    """The relay leaves a requeued task to the fast path for `hold` seconds."""

    def __init__(
        self, store: Store, intake: Intake, publisher: Publisher, clock: Clock, *, hold: float
    ) -> None:
        self._store = store
        self._intake = intake
        self._publisher = publisher
        self._clock = clock
        self._hold = timedelta(seconds=hold)

    async def requeue(self, letter_id: str, *, due: datetime | None = None) -> str:
        """Requeue one dead letter, to run at `due` or at once; returns the id of its task.

        Raises `TaskUnknown`, `StateConflict` (it is no longer failed, or still unreadable),
        `StoreUnavailable`.
        """
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            return await self._read_again(letter, due)
        if not await self.requeue_tasks([letter_id], due=due):
            raise StateConflict(f"task {letter_id} is not failed, so there is nothing to requeue")
        return letter_id

    async def requeue_all(self, letters: Sequence[DeadLetter], *, due: datetime | None = None) -> list[str]:
        """Requeue dead letters; returns the ids of their tasks. Letters that cannot be requeued stay.

        The tasks run at `due`, or at once. Raises `StoreUnavailable`.
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
        """Requeue failed tasks, with their history; returns the ids of those that were failed."""
        now = self._clock.now()
        at_once = due is None and self._publisher.is_available
        when = due or (now + self._hold if at_once else now)
        requeued = [task for task in await self._store.requeue(ids, now=now, due=when) if task is not None]
        if at_once and requeued:
            # The relay publishes what this call leaves unpublished.
            await self._publisher.publish(requeued, by_relay=False)
        return [task.id for task in requeued]

    async def _read_again(self, letter: DeadLetter, due: datetime | None) -> str:
        try:
            content = decode_envelope(letter.raw or b"", self._intake.task_settings.limits)
            if isinstance(content, TaskDraft):
                task_id = await self._submit(content, letter, due)
            else:
                task_id = await self._restore(content.task, due)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            raise StateConflict(f"the message is still unreadable ({exc}); submit a corrected task") from exc
        await self._store.remove_dead_message(letter.id)
        return task_id

    async def _submit(self, draft: TaskDraft, letter: DeadLetter, due: datetime | None) -> str:
        """Submit a foreign message as the consumer would have read it: in the queue that it came from, once.

        The letter's id keeps two requests, or one that is repeated after a crash, from making two tasks. No
        write concern: nobody waits for an answer.
        """
        given: dict[str, object] = {
            "id": draft.id or letter.id,
            "priority": draft.priority or letter.queue,
            "write_concern": None,
        }
        if due is not None and draft.delay is None and draft.run_at is None:
            given["run_at"] = due
        return (await self._intake.submit(draft.model_copy(update=given))).id

    async def _restore(self, task: Task, due: datetime | None) -> str:
        """Store the task of one of our own envelopes; a task that the store has is left as it is."""
        (accepted,) = await self._store.accept([NewTask.of(task, due=due or self._clock.now())])
        if accepted.answer is AcceptAnswer.CONFLICT:
            raise StateConflict(f"the message holds task {task.id}, which was deleted")
        return accepted.id
