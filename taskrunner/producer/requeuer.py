"""The requeuer sends dead letters round again: failed tasks get new attempts, messages are read once more."""

from collections.abc import Sequence
from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import EnvelopeUnreadable, StateConflict, TaskInvalid, TaskUnknown
from taskrunner.domain.operations.bulk_operation import Refusal
from taskrunner.domain.tasks.envelope import decode_envelope
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.value import Value
from taskrunner.producer.intake import Intake
from taskrunner.producer.publisher import Publisher
from taskrunner.stores.base import AcceptAnswer, NewTask, Store


class Requeued(Value):
    """The ids of the tasks that run again, and why other letters stay."""

    ids: Sequence[str]
    refused: Sequence[Refusal]


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

    async def requeue(self, letter_id: str) -> str:
        """Requeue one dead letter; returns the id of its task.

        Raises `TaskUnknown`, `StateConflict` (it is no longer failed, or still unreadable),
        `StoreUnavailable`.
        """
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if letter.kind is DeadLetterKind.MESSAGE:
            return await self._read_again(letter)
        if not await self.requeue_tasks([letter_id]):
            raise StateConflict(f"task {letter_id} is not failed, so there is nothing to requeue")
        return letter_id

    async def requeue_all(self, letters: Sequence[DeadLetter]) -> Requeued:
        """Requeue dead letters; those that cannot be requeued stay. Raises `StoreUnavailable`."""
        tasks = [letter.id for letter in letters if letter.kind is DeadLetterKind.TASK]
        ids = await self.requeue_tasks(tasks)
        refused: list[Refusal] = []
        for listed in letters:
            if listed.kind is DeadLetterKind.TASK:
                continue
            letter = await self._store.dead_letter(listed.id)
            if letter is None:
                continue
            try:
                ids.append(await self._read_again(letter))
            except StateConflict as exc:
                refused.append(Refusal(id=letter.id, reason=str(exc)))
        return Requeued(ids=ids, refused=refused)

    async def requeue_tasks(self, ids: Sequence[str]) -> list[str]:
        """Requeue failed tasks, with their history; returns the ids of those that were failed."""
        now = self._clock.now()
        at_once = self._publisher.is_available
        due = now + self._hold if at_once else now
        requeued = [task for task in await self._store.requeue(ids, now=now, due=due) if task is not None]
        if at_once and requeued:
            # The relay publishes what this call leaves unpublished.
            await self._publisher.publish(requeued, by_relay=False)
        return [task.id for task in requeued]

    async def _read_again(self, letter: DeadLetter) -> str:
        try:
            content = decode_envelope(letter.raw or b"", self._intake.task_settings.limits)
            if isinstance(content, TaskDraft):
                task_id = await self._submit(content, letter)
            else:
                task_id = await self._restore(content.task)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            raise StateConflict(f"the message is still unreadable ({exc}); submit a corrected task") from exc
        await self._store.remove_dead_message(letter.id)
        return task_id

    async def _submit(self, draft: TaskDraft, letter: DeadLetter) -> str:
        """Submit a foreign message as the consumer would have read it: in the queue that it came from, once.

        The letter's id keeps two requests, or one that is repeated after a crash, from making two tasks. No
        write concern: nobody waits for an answer.
        """
        given: dict[str, object] = {
            "id": draft.id or letter.id,
            "queue": draft.queue or (letter.queue if draft.priority is None else None),
            "write_concern": None,
        }
        return (await self._intake.submit(draft.model_copy(update=given))).id

    async def _restore(self, task: Task) -> str:
        """Store the task of one of our own envelopes; a task that the store has is left as it is."""
        (accepted,) = await self._store.accept([NewTask.of(task, due=self._clock.now())])
        if accepted.answer is AcceptAnswer.CONFLICT:
            raise StateConflict(f"the message holds task {task.id}, which was deleted")
        return accepted.id
