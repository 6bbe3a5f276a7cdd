"""Webhooks on SQL."""

from collections.abc import Sequence

from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.tables import webhooks
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook

_KEPT = NamedValues(webhooks)


class SqlWebhookStore(SqlPart, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        return await _KEPT.save(self._connection, webhook, expected)

    async def webhooks(self) -> Sequence[Webhook]:
        return await _KEPT.all(self._connection, decode_webhook)

    async def delete_webhook(self, expected: Webhook) -> bool:
        return await _KEPT.delete(self._connection, expected)
