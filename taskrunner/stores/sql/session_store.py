"""Sessions of the console on SQL: a row per session."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, select, update

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.keys.console_session import ConsoleSession
from taskrunner.stores.session_store import KnownSession, SessionStore, decode_session
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import console_sessions


class SqlSessionStore(SqlPart, SessionStore):
    async def save_session(self, session: ConsoleSession) -> None:
        """Asked again, its answer lost, it finds the row."""

        def save(transaction: Session) -> None:
            if transaction.first(_one, chosen=session.id) is None:
                transaction.run(_insert, chosen=session.id, encoded=encode(session).decode())

        await self._connection.write(save)

    async def console_sessions(self) -> Sequence[KnownSession]:
        rows = await self._connection.read(lambda session: session.fetch(_all))
        known = [
            KnownSession(
                session=decode_session(encoded.encode()), last_used_at=None if used is None else from_ms(used)
            )
            for encoded, used in rows
        ]
        return sorted(known, key=lambda each: (each.session.created_at, each.session.id))

    async def note_session_uses(self, uses: Mapping[str, datetime]) -> None:
        rows = [{"id": each, "last_used_ms": to_ms(moment)} for each, moment in sorted(uses.items())]
        if rows:
            await self._connection.write(lambda session: session.run(_note, rows))

    async def end_sessions(self, ids: Collection[str]) -> int:
        rows = [{"id": each} for each in sorted(ids)]
        if not rows:
            return 0
        return await self._connection.write(lambda session: session.run(_end, rows))


@statement
def _one(_: IncomingRows) -> Executable:
    return select(console_sessions.c.id).where(console_sessions.c.id == parameter("chosen", TEXT))


@statement
def _insert(_: IncomingRows) -> Executable:
    return insert(console_sessions).values(id=parameter("chosen", TEXT), encoded=parameter("encoded", TEXT))


@statement
def _note(rows: IncomingRows) -> Executable:
    v = rows(console_sessions.c.id, console_sessions.c.last_used_ms)
    return (
        update(console_sessions).where(console_sessions.c.id == v.c.id).values(last_used_ms=v.c.last_used_ms)
    )


@statement
def _end(rows: IncomingRows) -> Executable:
    v = rows(console_sessions.c.id)
    return delete(console_sessions).where(console_sessions.c.id.in_(select(v.c.id)))


@query
def _all(_: IncomingRows) -> "Select[Any]":
    return select(console_sessions.c.encoded, console_sessions.c.last_used_ms)
