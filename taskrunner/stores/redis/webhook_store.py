"""Webhooks on Redis: each is one field of a hash."""

from collections.abc import Sequence

from taskrunner.domain.codec import encode
from taskrunner.domain.webhook import Webhook
from taskrunner.stores.redis.fields import pairs
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook


class RedisWebhookStore(RedisPart, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        before = b"" if expected is None else encode(expected)
        return bool(await self.run("save_webhook", webhook.name, encode(webhook), before))

    async def webhooks(self) -> Sequence[Webhook]:
        found = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}webhooks")))
        return [decode_webhook(found[name]) for name in sorted(found)]

    async def delete_webhook(self, name: str, *, expected: Webhook) -> bool:
        return bool(await self.run("delete_webhook", name, encode(expected)))
