"""Audit entries on SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, literal, select

from taskrunner.domain.codec import encode
from taskrunner.domain.keys.audit import AuditEntry, first_audit_id
from taskrunner.stores.audit_store import AuditStore, decode_audit_entry
from taskrunner.stores.sql.fields import LAST_ID
from taskrunner.stores.sql.session import Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import audit
from taskrunner.stores.values import Page


class SqlAuditStore(SqlPart, AuditStore):
    async def append_audit(self, entry: AuditEntry) -> None:
        written = {"chosen": entry.id, "entry": encode(entry).decode()}
        await self._connection.write(lambda session: session.run(_insert, **written))

    async def audit_entries(self, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        last = LAST_ID if cursor is None else cursor
        rows = await self._connection.read(lambda session: session.fetch(_before, last=last, limit=limit + 1))
        found = [decode_audit_entry(row[1].encode()) for row in sorted(rows, key=tuple, reverse=True)]
        page = found[:limit]
        return Page(items=page, cursor=page[-1].id if len(found) > limit else None)

    async def prune_audit(self, *, before: datetime, most: int, limit: int) -> int:
        def prune(session: Session) -> int:
            beyond = session.first(_place, place=most)
            first_kept = max(first_audit_id(before), "" if beyond is None else f"{beyond[0]}{LAST_ID}")
            rows = session.fetch(_lock_old, first=first_kept, limit=limit)
            return session.run(_delete, ids(row[0] for row in rows)) if rows else 0

        return await self._connection.write(prune)


@statement
def _insert(_: IncomingRows) -> Executable:
    known = select(audit.c.id).where(audit.c.id == parameter("chosen", TEXT)).exists()
    entry = select(parameter("chosen", TEXT), parameter("entry", TEXT)).where(~known)
    return insert(audit).from_select(("id", "encoded"), entry)


@query
def _before(_: IncomingRows) -> "Select[Any]":
    older = select(audit.c.id, audit.c.encoded).where(audit.c.id < parameter("last", TEXT))
    return older.order_by(audit.c.id.desc()).limit(parameter("limit"))


@statement
def _place(_: IncomingRows) -> Executable:
    """The newest entry beyond so many."""
    return select(audit.c.id).order_by(audit.c.id.desc()).limit(literal(1)).offset(parameter("place"))


@query
def _lock_old(_: IncomingRows) -> "Select[Any]":
    old = select(audit.c.id).where(audit.c.id < parameter("first", TEXT)).order_by(audit.c.id)
    return old.limit(parameter("limit")).with_for_update(skip_locked=True)


@statement
def _delete(rows: IncomingRows) -> Executable:
    v = rows(audit.c.id)
    return delete(audit).where(audit.c.id.in_(select(v.c.id)))
