"""The collector moves the broker's dead letters into the store, with their bytes, and then acks them."""

import asyncio
import hashlib
from collections.abc import Sequence

from taskrunner.brokers.base import Broker, DeadDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.envelope import Envelope, open_envelope
from taskrunner.domain.errors import EnvelopeUnreadable, StoreUnavailable
from taskrunner.domain.events import DeadLetterCollected, Events
from taskrunner.domain.limits import Limits
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import Store

_PREFETCH = 50
_BATCH = 50


class Collector:
    """Consumes the dead letter queue; `keep` is the seconds for which the store keeps a message."""

    def __init__(
        self, store: Store, broker: Broker, events: Events, clock: Clock, limits: Limits, *, keep: float
    ) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._limits = limits
        self._keep = keep
        self._batcher: Batcher[DeadDelivery, None] = Batcher(self._bury, limit=_BATCH)

    def start(self) -> None:
        self._broker.collect(_PREFETCH, self._on_dead)

    def _on_dead(self, dead: DeadDelivery) -> None:
        self._batcher.submit(dead)

    async def _bury(self, group: Sequence[DeadDelivery]) -> Sequence[None]:
        letters = [self._letter(dead) for dead in group]
        backoff = Backoff()
        while True:
            try:
                await self._store.bury(letters, keep=self._keep)
                break
            except StoreUnavailable:
                await asyncio.sleep(backoff.next())
        self._broker.ack(group)
        for letter in letters:
            self._events.emit(DeadLetterCollected(id=letter.id, reason=letter.reason))
        return [None] * len(group)

    def _letter(self, dead: DeadDelivery) -> DeadLetter:
        error, url = self._explain(dead)
        return DeadLetter(
            id=_letter_id(dead),
            kind=DeadLetterKind.MESSAGE,
            reason=dead.reason,
            error=error,
            died_at=self._clock.now(),
            lane=dead.lane,
            url=url,
            raw=dead.body,
            x_death=dead.x_death,
        )

    def _explain(self, dead: DeadDelivery) -> tuple[str | None, str | None]:
        """Why nobody ran it, and its URL where it has one."""
        try:
            content = open_envelope(dead.body, self._limits)
        except EnvelopeUnreadable as exc:
            return str(exc), None
        if isinstance(content, Envelope):
            return f"task {content.task.id} was dead-lettered by the broker", content.task.url
        return None, content.url


def _letter_id(dead: DeadDelivery) -> str:
    """The same for a message that is delivered twice, so that burying it twice leaves one letter."""
    content = dead.body + (dead.x_death or "").encode() + (dead.message_id or "").encode()
    return "message-" + hashlib.sha256(content).hexdigest()[:32]
