"""Webhooks on Redis."""

from collections.abc import Sequence

from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.stores.redis.named_values import RedisNamedValues
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook

_KEPT_IN = "webhooks"


class RedisWebhookStore(RedisNamedValues, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        return await self._save_named(_KEPT_IN, webhook, expected)

    async def webhooks(self) -> Sequence[Webhook]:
        return await self._all_named(_KEPT_IN, decode_webhook)

    async def delete_webhook(self, expected: Webhook) -> bool:
        return await self._delete_named(_KEPT_IN, expected)
