"""The webhook watch reads from the store, in every process that ends tasks, which webhooks are in force."""

from taskrunner.domain.events import Events
from taskrunner.domain.webhook import WebhookSource
from taskrunner.runtime.service import Service
from taskrunner.stores.base import WebhookStore

# Seconds between two reads: a change takes effect everywhere within this time.
INTERVAL = 1.0


class WebhookWatch(Service):
    """`source` has what the last read found."""

    def __init__(self, store: WebhookStore, events: Events) -> None:
        super().__init__("webhook watch", events)
        self._store = store
        self.source = WebhookSource()

    async def turn(self) -> float:
        self.source.set(await self._store.webhooks())
        return INTERVAL
