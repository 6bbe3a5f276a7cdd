"""The publisher hands envelopes to the broker and notes in the store which of them arrived.

Only this module publishes. The order is the broker's confirm first, the store's mark second: a crash
between them leaves the task due, so that the relay publishes it once more and the fences drop the double.
"""

from collections.abc import Sequence
from datetime import timedelta

from taskrunner.brokers.base import Broker, Publication, PublishAnswer
from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import encode_envelope
from taskrunner.domain.errors import BrokerUnavailable, StoreUnavailable
from taskrunner.domain.events import Events, PublishFailed, TasksPublished
from taskrunner.domain.task import Priority
from taskrunner.domain.value import Value
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AttemptRef, RelayStore

_BATCH = 1000
_REASONS = {
    PublishAnswer.RETURNED: "the queue's queue is gone",
    PublishAnswer.REFUSED: "the broker refused it",
    PublishAnswer.UNKNOWN: "the connection broke, or the time ran out, before the broker's confirm",
}


class Outgoing(Value):
    """A task ready to be published: its stored form, the attempt that comes next, its snoozes so far."""

    id: str
    queue: Priority
    encoded: bytes
    attempt: int
    snoozes: int = 0

    @property
    def ref(self) -> AttemptRef:
        return AttemptRef(id=self.id, attempt=self.attempt, snoozes=self.snoozes)


class Publisher:
    """Publishes in groups; `forgotten_after` is the seconds until a queued task is looked at again.

    `answers` is False while the broker is away, by its own word or as the last try to publish showed.
    """

    def __init__(
        self, broker: Broker, store: RelayStore, events: Events, clock: Clock, *, forgotten_after: float
    ) -> None:
        self._broker = broker
        self._store = store
        self._events = events
        self._clock = clock
        self._forgotten_after = timedelta(seconds=forgotten_after)
        self._accepted: Batcher[Outgoing, bool] = Batcher(self._publish_accepted, limit=_BATCH)
        self._failed = False
        self._marks: Batcher[AttemptRef, None] = Batcher(self._mark, limit=_BATCH)

    @property
    def answers(self) -> bool:
        return not self._failed and self._broker.connected

    async def publish_accepted(self, outgoing: Outgoing) -> bool:
        """The fast path: publish a task that was just written, together with its neighbours.

        True once the broker has confirmed it. False leaves it to the relay, which loses nothing.
        """
        return await self._accepted.submit(outgoing)

    def publish_later(self, outgoing: Outgoing) -> None:
        """As `publish_accepted`, but nobody waits for it, other than `drain`."""
        self._accepted.submit(outgoing)

    async def publish(self, batch: Sequence[Outgoing], *, by_relay: bool) -> list[Outgoing]:
        """Publish a batch and mark what was confirmed; answers the rest. Never raises for the broker."""
        confirmed = await self._send(batch, by_relay=by_relay)
        await self._mark([item.ref for item in confirmed])
        ids = {item.id for item in confirmed}
        return [item for item in batch if item.id not in ids]

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._accepted.drain()
        await self._marks.drain()

    async def _publish_accepted(self, batch: Sequence[Outgoing]) -> Sequence[bool]:
        confirmed = await self._send(batch, by_relay=False)
        for item in confirmed:
            # Nobody waits for the mark: without it the relay publishes once more.
            self._marks.submit(item.ref)
        ids = {item.id for item in confirmed}
        return [item.id in ids for item in batch]

    async def _send(self, batch: Sequence[Outgoing], *, by_relay: bool) -> list[Outgoing]:
        publications = [
            Publication(queue=item.queue, body=encode_envelope(item.encoded, item.attempt), task_id=item.id)
            for item in batch
        ]
        try:
            answers = await self._broker.publish(publications)
        except BrokerUnavailable as exc:
            self._failed = True
            self._events.emit(PublishFailed(count=len(batch), error=str(exc)))
            return []
        self._failed = False
        pairs = zip(batch, answers, strict=True)
        confirmed = [item for item, answer in pairs if answer is PublishAnswer.CONFIRMED]
        self._events.emit(TasksPublished(count=len(confirmed), by_relay=by_relay))
        if len(confirmed) < len(batch):
            worst = next(answer for answer in answers if answer is not PublishAnswer.CONFIRMED)
            self._events.emit(PublishFailed(count=len(batch) - len(confirmed), error=_REASONS[worst]))
        return confirmed

    async def _mark(self, refs: Sequence[AttemptRef]) -> Sequence[None]:
        now = self._clock.now()
        try:
            await self._store.mark_queued(refs, now=now, due=now + self._forgotten_after)
        except StoreUnavailable:
            # The adapter has told of the outage; the tasks are still due and will be published again.
            return [None] * len(refs)
        return [None] * len(refs)
