"""The publisher hands envelopes to the broker and marks in the store which of them arrived.

Only this module publishes. The broker's confirm comes first and the store's mark second: after a crash
between them the task is still due, the relay publishes it once more, and the fences drop the duplicate.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from taskrunner.brokers.base import Broker, Publication, PublishAnswer
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import BrokerUnavailable, OutsideError
from taskrunner.domain.events import Events, PublishFailed, TasksPublished
from taskrunner.domain.tasks.envelope import encode_envelope
from taskrunner.domain.tasks.new_task import StoredTask
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AttemptRef, RelayStore

Stored = TypeVar("Stored", bound=StoredTask)

_BATCH = 1000
# Seconds between two marks of a stream, for which nobody waits.
_MARK_SPACING = 0.01
_REASONS = {
    PublishAnswer.RETURNED: "the queue does not exist",
    PublishAnswer.REFUSED: "the broker refused it",
    PublishAnswer.UNKNOWN: "the connection broke, or the time ran out, before the broker's confirm",
}


class Publisher:
    """Publishes the next attempt of stored tasks, in batches.

    `forgotten_after` is the seconds until a queued task is looked at again.
    """

    def __init__(
        self, broker: Broker, store: RelayStore, events: Events, clock: Clock, *, forgotten_after: float
    ) -> None:
        self._broker = broker
        self._store = store
        self._events = events
        self._clock = clock
        self._forgotten_after = timedelta(seconds=forgotten_after)
        self._accepted: Batcher[StoredTask, bool] = Batcher(self._publish_accepted, limit=_BATCH)
        self._last_publish_failed = False
        self._marks: Batcher[AttemptRef, None] = Batcher(
            self._mark, limit=_BATCH, spacing=_MARK_SPACING, only_streams=True
        )

    @property
    def is_available(self) -> bool:
        """False while the broker is disconnected, and after a publish that it did not take."""
        return not self._last_publish_failed and self._broker.connected

    def publish_accepted(self, task: StoredTask) -> "asyncio.Future[bool]":
        """The fast path: publish a task that was just written, in a batch with others.

        True once the broker has confirmed it. False leaves it to the relay; nothing is lost.
        """
        return self._accepted.submit(task)

    def publish_later(self, task: StoredTask) -> None:
        """As `publish_accepted`, but only `drain` waits for it."""
        self._accepted.submit(task)

    async def publish(self, batch: Sequence[Stored], *, by_relay: bool) -> list[Stored]:
        """Publish a batch and mark the confirmed tasks; returns the others. Broker errors are not raised."""
        confirmed = await self._send(batch, by_relay=by_relay)
        await self._mark([_next_attempt(task) for task in confirmed])
        ids = {task.id for task in confirmed}
        return [task for task in batch if task.id not in ids]

    async def drain(self) -> None:
        """Wait for the publishes and marks under way."""
        await self._accepted.drain()
        await self._marks.drain()

    async def _publish_accepted(self, batch: Sequence[StoredTask]) -> Sequence[bool]:
        confirmed = await self._send(batch, by_relay=False)
        for task in confirmed:
            # Nobody waits for the mark: without it the relay publishes once more.
            self._marks.submit(_next_attempt(task))
        ids = {task.id for task in confirmed}
        return [task.id in ids for task in batch]

    async def _send(self, batch: Sequence[StoredTask], *, by_relay: bool) -> list[StoredTask]:
        publications = [
            Publication(
                queue=task.queue, body=encode_envelope(task.encoded, task.attempt + 1), task_id=task.id
            )
            for task in batch
        ]
        try:
            answers = await self._broker.publish(publications)
        except BrokerUnavailable as exc:
            self._last_publish_failed = True
            self._events.emit(PublishFailed(count=len(batch), error=str(exc)))
            return []
        self._last_publish_failed = False
        pairs = zip(batch, answers, strict=True)
        confirmed = [task for task, answer in pairs if answer is PublishAnswer.CONFIRMED]
        queues = [task.queue for task in confirmed]
        self._events.emit(TasksPublished(count=len(confirmed), by_relay=by_relay, queues=queues))
        if len(confirmed) < len(batch):
            first_failure = next(answer for answer in answers if answer is not PublishAnswer.CONFIRMED)
            error = _REASONS[first_failure]
            self._events.emit(PublishFailed(count=len(batch) - len(confirmed), error=error))
        return confirmed

    async def _mark(self, refs: Sequence[AttemptRef]) -> Sequence[None]:
        now = self._clock.now()
        # Without the mark the tasks are still due and are published again; the adapter reports why.
        with suppress(OutsideError):
            await self._store.mark_queued(refs, now=now, due=now + self._forgotten_after)
        return [None] * len(refs)


def _next_attempt(task: StoredTask) -> AttemptRef:
    return AttemptRef(id=task.id, attempt=task.attempt + 1, snoozes=task.snoozes)
