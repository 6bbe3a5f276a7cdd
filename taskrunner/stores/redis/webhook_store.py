"""Webhooks on Redis."""

from collections.abc import Sequence

from taskrunner.domain.codec import encode
from taskrunner.domain.webhook import Webhook
from taskrunner.stores.redis.named_values import RedisNamedValues
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook

_KEPT_IN = "webhooks"


class RedisWebhookStore(RedisNamedValues, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        before = b"" if expected is None else encode(expected)
        return await self._save_named(_KEPT_IN, webhook.name, encode(webhook), before)

    async def webhooks(self) -> Sequence[Webhook]:
        return [decode_webhook(each) for each in await self._all_named(_KEPT_IN)]

    async def delete_webhook(self, expected: Webhook) -> bool:
        return await self._save_named(_KEPT_IN, expected.name, b"", encode(expected))
