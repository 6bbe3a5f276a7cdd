"""API keys on SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, insert, select, update

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.stores.api_key_store import ApiKeyStore, KnownKey, decode_api_key
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import api_key_uses, api_keys


class SqlApiKeyStore(SqlPart, ApiKeyStore):
    async def save_api_key(self, key: ApiKey, *, expected: ApiKey | None) -> bool:
        """A race with another process for a name ends in a unique violation, and is tried again."""
        written = encode(key).decode()
        before = None if expected is None else encode(expected).decode()

        def save(session: Session) -> bool:
            row = session.first(_lock, chosen=key.name)
            found = None if row is None else row[0]
            if found == written:
                return True
            if found != before:
                return False
            session.run(_insert if found is None else _update, chosen=key.name, encoded=written)
            return True

        return await self._connection.write(save)

    async def api_keys(self) -> Sequence[KnownKey]:
        rows = await self._connection.read(lambda session: session.fetch(_all))
        found = [
            KnownKey(
                key=decode_api_key(encoded.encode()), last_used_at=None if used is None else from_ms(used)
            )
            for encoded, used in rows
        ]
        return sorted(found, key=lambda known: known.key.name)

    async def api_key_uses(self) -> Mapping[str, datetime]:
        rows = await self._connection.read(lambda session: session.fetch(_uses))
        return {name: from_ms(used) for name, used in rows}

    async def note_api_key_uses(self, uses: Mapping[str, datetime]) -> None:
        """A race with another process for a new name ends in a unique violation, and is tried again."""
        rows = [{"name": name, "last_used_ms": to_ms(moment)} for name, moment in sorted(uses.items())]

        def note(session: Session) -> None:
            before = session.mapping(_lock_uses, [{"name": row["name"]} for row in rows])
            for written, part in (
                (_insert_uses, [row for row in rows if row["name"] not in before]),
                (_update_uses, [row for row in rows if row["name"] in before]),
            ):
                if part:
                    session.run(written, part)

        if rows:
            await self._connection.write(note)


def _is_chosen() -> Any:
    return api_keys.c.name == parameter("chosen", TEXT)


@statement
def _lock(_: IncomingRows) -> Executable:
    return select(api_keys.c.encoded).where(_is_chosen()).with_for_update()


@statement
def _insert(_: IncomingRows) -> Executable:
    return insert(api_keys).values(name=parameter("chosen", TEXT), encoded=parameter("encoded", TEXT))


@statement
def _update(_: IncomingRows) -> Executable:
    return update(api_keys).where(_is_chosen()).values(encoded=parameter("encoded", TEXT))


@query
def _lock_uses(rows: IncomingRows) -> "Select[Any]":
    v = rows(api_key_uses.c.name)
    found = select(api_key_uses.c.name, api_key_uses.c.last_used_ms)
    # In order, so that no two processes wait for each other.
    found = found.join(v, api_key_uses.c.name == v.c.name).order_by(api_key_uses.c.name)
    return found.with_for_update(of=api_key_uses)


@statement
def _insert_uses(rows: IncomingRows) -> Executable:
    v = rows(api_key_uses.c.name, api_key_uses.c.last_used_ms)
    return insert(api_key_uses).from_select(("name", "last_used_ms"), select(*v.c))


@statement
def _update_uses(rows: IncomingRows) -> Executable:
    v = rows(api_key_uses.c.name, api_key_uses.c.last_used_ms)
    return update(api_key_uses).where(api_key_uses.c.name == v.c.name).values(last_used_ms=v.c.last_used_ms)


@query
def _all(_: IncomingRows) -> "Select[Any]":
    found = select(api_keys.c.encoded, api_key_uses.c.last_used_ms)
    return found.select_from(api_keys.outerjoin(api_key_uses, api_key_uses.c.name == api_keys.c.name))


@query
def _uses(_: IncomingRows) -> "Select[Any]":
    return select(api_key_uses.c.name, api_key_uses.c.last_used_ms)
