"""Collector moves the broker's dead letters into the store, with their bytes, and then acks them."""

import asyncio
import hashlib
from collections.abc import Sequence

from taskrunner.brokers.base import Broker, DeadDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import Envelope, decode_envelope
from taskrunner.domain.errors import EnvelopeUnreadable, StoreUnavailable, TaskInvalid
from taskrunner.domain.events import DeadLetterCollected, DeliveryLimitReached, Events, LoopFailed
from taskrunner.domain.follow_up import follow_up
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.task_settings import TaskSettings
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AttemptRef, NewTask, Snooze, Store

_PREFETCH = 50
_BATCH = 50
# RabbitMQ's reason for a message that was delivered too often: https://www.rabbitmq.com/docs/dlx#effects
DELIVERY_LIMIT = "delivery_limit"


class Collector:
    """Consumes the dead letter queue. The store keeps a message for `keep` seconds."""

    def __init__(
        self, store: Store, broker: Broker, events: Events, clock: Clock, tasks: TaskSettings, *, keep: float
    ) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._task_settings = tasks
        self._keep = keep
        self._batcher: Batcher[DeadDelivery, None] = Batcher(self._store_group, limit=_BATCH)

    def start(self) -> None:
        self._broker.consume_dead_letters(_PREFETCH, self._on_dead)

    def _on_dead(self, dead: DeadDelivery) -> None:
        self._batcher.submit(dead)

    async def _store_group(self, group: Sequence[DeadDelivery]) -> Sequence[None]:
        backoff = Backoff()
        while True:
            try:
                for dead in group:
                    await self._store_letter_or_bytes(dead)
                break
            except StoreUnavailable:
                await asyncio.sleep(backoff.next())
        self._broker.ack(group)
        return [None] * len(group)

    async def _store_letter_or_bytes(self, dead: DeadDelivery) -> None:
        """One letter must not hold up its group, whatever is in it: if all else fails, its bytes are kept."""
        try:
            await self._store_letter(dead)
        except StoreUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 - see above
            self._events.emit(LoopFailed(service="collector", error=exc))
            unread = EnvelopeUnreadable(f"reading it failed: {type(exc).__name__}")
            await self._store.add_dead_messages([self._letter(dead, unread)], retention=self._keep)

    async def _store_letter(self, dead: DeadDelivery) -> None:
        """An envelope fails its task, which then is the dead letter; anything else is kept as a message.

        A task that was only delivered too often goes on. An envelope whose task is running, finished or
        waiting for another attempt is a stale double, and fails nothing.
        """
        content = self._read(dead)
        if isinstance(content, Envelope) and dead.reason == DELIVERY_LIMIT:
            await self._schedule_again(content)
            return
        record = await self._store.get(content.task.id) if isinstance(content, Envelope) else None
        if isinstance(content, Envelope) and record is not None:
            now, error = self._clock.now(), _broker_says(dead)
            following = follow_up(
                record.task, Status.FAILED, attempt=record.attempt, error=error, outcome=None, now=now
            )
            ref = AttemptRef(id=record.task.id, attempt=content.attempt, follow_up=following)
            await self._store.fail([ref], now=now, reason=dead.reason, error=error, retention=self._keep)
            letter_id = content.task.id
        else:
            letter = self._letter(dead, content)
            await self._store.add_dead_messages([letter], retention=self._keep)
            letter_id = letter.id
        self._events.emit(DeadLetterCollected(id=letter_id, reason=dead.reason))

    async def _schedule_again(self, envelope: Envelope) -> None:
        """Let the relay publish the task in a new message, whose deliveries count from 0.

        A consumer that releases a message, at a pause or a shutdown, costs it a delivery, though nothing is
        wrong with the task. A task that kills its workers has been claimed, so its attempts are counted.
        """
        task, now = envelope.task, self._clock.now()
        snooze = Snooze(id=task.id, attempt=envelope.attempt, due=now)
        if not all(await self._store.snooze([snooze], now=now)):
            # Makes the record of a task that the store has lost; leaves one that it has.
            await self._store.accept([NewTask.of(task, due=now, attempt=envelope.attempt - 1)])
        self._events.emit(DeliveryLimitReached(task_id=task.id, attempt=envelope.attempt))

    def _read(self, dead: DeadDelivery) -> Envelope | TaskDraft | EnvelopeUnreadable:
        """As the consumer reads it, so that the letter says why it was rejected."""
        try:
            content = decode_envelope(dead.body, self._task_settings.limits)
            if isinstance(content, TaskDraft):
                content.to_task(self._task_settings, task_id=_letter_id(dead), now=self._clock.now())
        except EnvelopeUnreadable as exc:
            return exc
        except TaskInvalid as exc:
            return EnvelopeUnreadable(str(exc))
        return content

    def _letter(self, dead: DeadDelivery, content: Envelope | TaskDraft | EnvelopeUnreadable) -> DeadLetter:
        return DeadLetter(
            id=_letter_id(dead),
            kind=DeadLetterKind.MESSAGE,
            reason=dead.reason,
            error=str(content) if isinstance(content, EnvelopeUnreadable) else _broker_says(dead),
            died_at=self._clock.now(),
            queue=None if dead.queue is None else Priority(dead.queue),
            url=_url(content),
            raw=dead.body,
            x_death=dead.x_death,
        )


def _broker_says(dead: DeadDelivery) -> str:
    return f"the broker dead-lettered it: {dead.reason}"


def _url(content: Envelope | TaskDraft | EnvelopeUnreadable) -> str | None:
    if isinstance(content, EnvelopeUnreadable):
        return None
    return content.url if isinstance(content, TaskDraft) else content.task.url


def _letter_id(dead: DeadDelivery) -> str:
    """The same id for a message that is delivered twice, so that it leaves one letter."""
    content = dead.body + (dead.x_death or "").encode() + (dead.message_id or "").encode()
    return "message-" + hashlib.sha256(content).hexdigest()[:32]
