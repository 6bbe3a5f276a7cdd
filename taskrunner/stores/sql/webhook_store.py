"""Webhooks on SQL."""

from collections.abc import Sequence

from taskrunner.domain.codec import encode
from taskrunner.domain.webhook import Webhook
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.tables import webhooks
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook

_KEPT = NamedValues(webhooks)


class SqlWebhookStore(SqlPart, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        before = None if expected is None else encode(expected)
        return await _KEPT.save(self._connection, webhook.name, encode(webhook), before)

    async def webhooks(self) -> Sequence[Webhook]:
        return [decode_webhook(each) for each in await _KEPT.all(self._connection)]

    async def delete_webhook(self, expected: Webhook) -> bool:
        return await _KEPT.delete(self._connection, expected.name, encode(expected))
