"""The webhook watch reads the webhooks in force from the store, in every process that ends tasks."""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.domain.webhooks.webhook import Webhook, WebhookSource
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# Seconds between two reads: a change takes effect everywhere within this time.
INTERVAL = 1.0


class WebhookWatch(Service):
    """`source` has what the last read found, without the webhooks of keys that were revoked or have expired.

    Keys of the configuration are not in the store, and their webhooks stay: the configuration of this process
    need not have them.
    """

    def __init__(self, store: Store, events: Events, clock: Clock) -> None:
        super().__init__("webhook watch", events)
        self._store = store
        self._clock = clock
        self._reads = SharedRead("the webhooks", self._read, clock)
        self.source = WebhookSource()

    async def turn(self) -> float:
        await self.read()
        return INTERVAL

    async def read(self) -> None:
        """Put in force what the store has now. Raises `StoreUnavailable`."""
        await self._reads.run()

    async def refresh(self) -> None:
        """Put a change of this process in force at once."""
        await self._reads.refresh()

    async def _read(self) -> None:
        self.source.set(await webhooks_in_force(self._store, self._clock.now()))


async def webhooks_in_force(store: Store, now: datetime) -> Sequence[Webhook]:
    """Those that are enabled, and whose key is good. Raises `StoreUnavailable`."""
    webhooks = [each for each in await store.webhooks() if each.enabled]
    if all(each.created_by is None for each in webhooks):
        return webhooks
    over = {known.key.name for known in await store.api_keys() if known.key.is_over(now)}
    return [each for each in webhooks if each.created_by not in over]
