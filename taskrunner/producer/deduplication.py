"""Deduplication decides what happens to new tasks whose dedup key another task holds.

The store finds that out in the step in which it accepts tasks, so that other tasks cost nothing here.
"""

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events, TasksAccepted, TasksCancelled
from taskrunner.domain.tasks.dedup import DedupMode
from taskrunner.domain.tasks.settlement import RetentionSettings, kept_unclaimed
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.cancellation import waiting_ref
from taskrunner.stores.base import AcceptAnswer, Accepted, NewTask, Store

# Each time, another process has given the key to another task, or the holder has moved on.
_MAX_TRIES = 10
_ERROR = "replaced by a task with the same dedup key"


class Deduplication:
    """Replaces tasks. `retention` is that of what it cancels."""

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
        # Of the keys that somebody replaces the holder of. With twenty at a time, some would lose every try.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def resolve(self, batch: Sequence[NewTask], answers: Sequence[Accepted]) -> Sequence[Accepted]:
        """`answers` of the store, with each task that may replace the holder of its key in its place.

        A task stays `HELD` if other processes took its key again and again.
        """
        if not any(each.answer is AcceptAnswer.HELD for each in answers):
            return answers
        # One after the other, as they stand: a later task of a batch replaces an earlier one.
        return [
            await self._replace_in_turn(new, answer) if is_replacing(new, answer) else answer
            for new, answer in zip(batch, answers, strict=True)
        ]

    async def _replace_in_turn(self, new: NewTask, answer: Accepted) -> Accepted:
        turn = self._turns.setdefault(new.dedup_key or "", asyncio.Lock())
        async with turn:
            return await self._replace(new, answer)

    async def _replace(self, new: NewTask, answer: Accepted) -> Accepted:
        keep = self._retention.keep(Status.CANCELLED)
        for _ in range(_MAX_TRIES):
            record = await self._store.get(answer.id)
            if record is None:
                (answer,) = await self._store.accept([new])
            else:
                now = self._clock.now()
                replaced = await self._store.replace(
                    new,
                    waiting_ref(record, now, self._webhooks.in_force, error=_ERROR),
                    now=now,
                    error=_ERROR,
                    retention=kept_unclaimed(record.task, now, keep),
                )
                answer = replaced.accepted
                if replaced.cancelled:
                    self._events.emit(TasksCancelled(count=1))
            if answer.answer is AcceptAnswer.CREATED:
                self._events.emit(TasksAccepted(count=1))
            if answer.answer is not AcceptAnswer.HELD:
                break
        return answer


def is_replacing(new: NewTask, answer: Accepted) -> bool:
    """Whether `new` asks to take the place of the task that holds its key."""
    dedup = new.task.dedup
    return answer.answer is AcceptAnswer.HELD and dedup is not None and dedup.mode is DedupMode.REPLACE
