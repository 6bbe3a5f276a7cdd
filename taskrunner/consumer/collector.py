"""Collector moves the broker's dead letters into the store, with their bytes, and then acks them."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta

from taskrunner.brokers.base import Broker, DeadDelivery
from taskrunner.brokers.topology import BROKER_REASONS
from taskrunner.consumer.incoming_message import IncomingMessage, read_message
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import EnvelopeUnreadable, StoreUnavailable, TaskInvalid
from taskrunner.domain.events import DeadLetterCollected, Events, LoopFailed, TaskSentBack
from taskrunner.domain.tasks.envelope import Envelope
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.record import BY_BROKER, DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.settlement import kept_unclaimed
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import AttemptRef, NewTask, SnoozeRequest, Store

_PREFETCH = 50
_BATCH = 50
# Seconds before a task whose message the broker removed is published again: without them, a queue of length 0
# would make tasks circulate. A message reaches the delivery limit only after pauses of its own.
_PAUSES = {**dict.fromkeys(BROKER_REASONS, 5.0), "delivery_limit": 0.0}
_Content = IncomingMessage | EnvelopeUnreadable


class Collector:
    """Consumes the dead letter queue. The store keeps a message for `keep` seconds."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        tasks: TaskSettingsSource,
        webhooks: WebhookSource,
        *,
        keep: float,
    ) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._task_settings = tasks
        self._webhooks = webhooks
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
        """What the broker dead-lettered by itself goes on. A rejected envelope fails its task, which then is
        the dead letter; anything else is kept as a message.

        An envelope whose task is running, finished or waiting for another attempt is a stale double, and
        changes nothing.
        """
        content = self._read(dead)
        if isinstance(content, IncomingMessage):
            # A time to live that a foreign client gave its own message is its wish.
            if dead.reason in BROKER_REASONS and not (content.foreign and dead.expires):
                await self._send_back(content.envelope, dead.reason)
                return
            if not content.foreign and await self._fail(content.envelope, dead):
                return
        letter = self._letter(dead, content)
        await self._store.add_dead_messages([letter], retention=self._keep)
        self._events.emit(DeadLetterCollected(id=letter.id, reason=dead.reason))

    async def _fail(self, envelope: Envelope, dead: DeadDelivery) -> bool:
        """Whether the task has a record."""
        record = await self._store.get(envelope.task.id)
        if record is None:
            return False
        now, error = self._clock.now(), _broker_says(dead)
        end = End(
            task=record.task,
            status=Status.FAILED,
            attempt=record.attempt,
            error=error,
            outcome=None,
            now=now,
        )
        following = follow_ups(end, self._webhooks.in_force)
        ref = AttemptRef(id=record.task.id, attempt=envelope.attempt, follow_ups=following)
        keep = kept_unclaimed(record.task, now, self._keep)
        await self._store.fail([ref], now=now, reason=dead.reason, error=error, retention=keep)
        self._events.emit(DeadLetterCollected(id=envelope.task.id, reason=dead.reason))
        return True

    async def _send_back(self, envelope: Envelope, reason: str) -> None:
        """Let the relay publish the task in a new message, whose deliveries and age count from 0.

        A consumer that releases a message, at a pause or a shutdown, costs it a delivery, though nothing is
        wrong with the task. A task that kills its workers has been claimed, so its attempts are counted.
        """
        task, now = envelope.task, self._clock.now()
        due = now + timedelta(seconds=_PAUSES[reason])
        why = f"{BY_BROKER}{reason}"
        snooze = SnoozeRequest(id=task.id, attempt=envelope.attempt, due=due, waits_for=why)
        if not all(await self._store.snooze([snooze], now=now)):
            # Makes the record of a task that the store has lost or never had; leaves one that it has.
            await self._store.accept([NewTask.of(task, due=due, attempt=envelope.attempt - 1)])
        self._events.emit(TaskSentBack(task_id=task.id, attempt=envelope.attempt, reason=reason))

    def _read(self, dead: DeadDelivery) -> _Content:
        """As the consumer reads it, so that the letter says why it was rejected."""
        try:
            return read_message(dead, dead.queue, self._task_settings.current, now=self._clock.now())
        except EnvelopeUnreadable as exc:
            return exc
        except TaskInvalid as exc:
            return EnvelopeUnreadable(str(exc))

    def _letter(self, dead: DeadDelivery, content: _Content) -> DeadLetter:
        return DeadLetter(
            id=_letter_id(dead),
            kind=DeadLetterKind.MESSAGE,
            reason=dead.reason,
            error=str(content) if isinstance(content, EnvelopeUnreadable) else _broker_says(dead),
            died_at=self._clock.now(),
            queue=dead.queue,
            url=None if isinstance(content, EnvelopeUnreadable) else content.envelope.task.url,
            raw=dead.body,
            x_death=dead.x_death,
        )


def _broker_says(dead: DeadDelivery) -> str:
    return f"the broker dead-lettered it: {dead.reason}"


def _letter_id(dead: DeadDelivery) -> str:
    """The same id for a message that is delivered twice, so that it leaves one letter."""
    content = (
        dead.body + (dead.x_death or "").encode() + (dead.message_id or "").encode(errors="surrogateescape")
    )
    return "message-" + hashlib.sha256(content).hexdigest()[:32]
