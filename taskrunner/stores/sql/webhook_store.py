"""Webhooks on SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, select, update

from taskrunner.domain.codec import encode
from taskrunner.domain.webhook import Webhook
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import webhooks
from taskrunner.stores.webhook_store import WebhookStore, decode_webhook


class SqlWebhookStore(SqlPart, WebhookStore):
    async def save_webhook(self, webhook: Webhook, *, expected: Webhook | None) -> bool:
        """A race with another process for a name ends in a unique violation, and is tried again."""
        written = encode(webhook).decode()
        before = None if expected is None else encode(expected).decode()

        def save(session: Session) -> bool:
            row = session.first(_lock, chosen=webhook.name)
            found = None if row is None else row[0]
            if found == written:
                return True
            if found != before:
                return False
            session.run(_insert if found is None else _update, chosen=webhook.name, encoded=written)
            return True

        return await self._connection.write(save)

    async def webhooks(self) -> Sequence[Webhook]:
        rows = await self._connection.read(lambda session: session.fetch(_all))
        return sorted((decode_webhook(row[0].encode()) for row in rows), key=lambda each: each.name)

    async def delete_webhook(self, name: str, *, expected: Webhook) -> bool:
        before = encode(expected).decode()
        return await self._connection.write(lambda session: _delete_found(session, name, before))


def _delete_found(session: Session, name: str, before: str) -> bool:
    row = session.first(_lock, chosen=name)
    if row is None or row[0] != before:
        return False
    session.run(_delete, chosen=name)
    return True


def _is_chosen() -> Any:
    return webhooks.c.name == parameter("chosen", TEXT)


@statement
def _lock(_: IncomingRows) -> Executable:
    return select(webhooks.c.encoded).where(_is_chosen()).with_for_update()


@statement
def _insert(_: IncomingRows) -> Executable:
    return insert(webhooks).values(name=parameter("chosen", TEXT), encoded=parameter("encoded", TEXT))


@statement
def _update(_: IncomingRows) -> Executable:
    return update(webhooks).where(_is_chosen()).values(encoded=parameter("encoded", TEXT))


@statement
def _delete(_: IncomingRows) -> Executable:
    return delete(webhooks).where(_is_chosen())


@query
def _all(_: IncomingRows) -> "Select[Any]":
    return select(webhooks.c.encoded)
