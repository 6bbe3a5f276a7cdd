"""Revival gives dead letters another life: failed tasks go on, messages are read once more."""

from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.draft import Draft
from taskrunner.domain.envelope import encode_task, open_envelope
from taskrunner.domain.errors import EnvelopeUnreadable, StateConflict, TaskInvalid, TaskUnknown
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.task import Task
from taskrunner.producer.intake import Intake
from taskrunner.producer.publisher import Outgoing, Publisher
from taskrunner.stores.base import NewTask, Store


class Revival:
    """Requeues dead letters; `hold` is the seconds for which a revived task is left to the fast path."""

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
        if letter.kind is DeadLetterKind.TASK:
            return await self._revive(letter_id)
        return await self._read_again(letter)

    async def _revive(self, task_id: str) -> str:
        now = self._clock.now()
        (due,) = await self._store.revive([task_id], now=now, due=now + self._hold)
        if due is None:
            raise StateConflict(f"task {task_id} is not failed, so there is nothing to requeue")
        outgoing = Outgoing(id=due.id, lane=due.lane, encoded=due.encoded, attempt=due.attempt + 1)
        await self._publisher.publish_accepted(outgoing)
        return task_id

    async def _read_again(self, letter: DeadLetter) -> str:
        try:
            content = open_envelope(letter.raw or b"", self._intake.rules.limits)
            if isinstance(content, Draft):
                task_id = await self._submit(content, letter)
            else:
                task_id = await self._restore(content.task)
        except (EnvelopeUnreadable, TaskInvalid) as exc:
            raise StateConflict(f"the message is still unreadable ({exc}); submit a corrected task") from exc
        await self._store.exhume(letter.id)
        return task_id

    async def _submit(self, draft: Draft, letter: DeadLetter) -> str:
        """As the consumer would have read it: in the lane it came by, and never twice.

        The letter's id makes one task of two requests, and of one that is repeated after a crash before the
        letter was taken out. A write concern is for who waits for an answer, and nobody does.
        """
        said = {"id": draft.id or letter.id, "priority": draft.priority or letter.lane, "write_concern": None}
        return (await self._intake.submit(draft.model_copy(update=said))).id

    async def _restore(self, task: Task) -> str:
        """The task that an envelope of ours holds; one that the store still has is left as it stands."""
        now = self._clock.now()
        new = NewTask(
            id=task.id,
            encoded=encode_task(task),
            lane=task.lane,
            max_attempts=task.max_attempts,
            created_at=task.created_at,
            due=now,
        )
        (accepted,) = await self._store.accept([new])
        return accepted.id
