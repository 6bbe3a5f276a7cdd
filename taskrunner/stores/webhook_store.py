"""The part of a store that keeps webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.domain.codec import Decoder
from taskrunner.domain.webhooks.webhook import Webhook

decode_webhook = Decoder(Webhook).decode


class WebhookStore(ABC):
    """Keeps webhooks by name. They are few: each read is of all."""

    @abstractmethod
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        """Write a webhook in place of `expected` (None: there is none of this name).

        False, and nothing written, if another stands there.
        """

    @abstractmethod
    async def webhooks(self) -> Sequence[Webhook]:
        """All webhooks, by name."""

    @abstractmethod
    async def delete_webhook(self, expected: Webhook) -> bool:
        """Remove a webhook. False if another has its name; True if it is gone already."""
