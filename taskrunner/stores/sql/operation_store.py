"""Operations on SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, literal, select, update

from taskrunner.domain.clock import to_ms
from taskrunner.stores.operation_store import OperationStore, StoredOperation
from taskrunner.stores.sql.fields import LAST_ID, TableFields
from taskrunner.stores.sql.session import Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import operations
from taskrunner.stores.values import Page

_OPERATION = TableFields(StoredOperation, operations)


class SqlOperationStore(SqlPart, OperationStore):
    async def save_operation(self, stored: StoredOperation, *, expected: str | None) -> bool:
        """A race with another process for an id ends in a unique violation, and is tried again."""

        def save(session: Session) -> bool:
            row = session.first(_lock_version, chosen=stored.id)
            found = None if row is None else row[0]
            if found == stored.version:
                return True  # the same call once more: its first answer was lost
            if found != expected:
                return False
            session.run(_insert if found is None else _update, [_OPERATION.row(stored)])
            return True

        return await self._connection.write(save)

    async def operation(self, operation_id: str) -> StoredOperation | None:
        rows = await self._connection.read(lambda session: session.fetch(_one, chosen=operation_id))
        return _OPERATION.value(rows[0]) if rows else None

    async def list_operations(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[StoredOperation]:
        place = {"last": LAST_ID if cursor is None else cursor, "limit": limit + 1}
        rows = await self._connection.read(
            lambda session: (
                session.fetch(_own_before, namespace=namespace, **place)
                if namespace
                else session.fetch(_before, **place)
            )
        )
        found = sorted(map(_OPERATION.value, rows), key=lambda each: each.id, reverse=True)
        return Page(items=found[:limit], cursor=found[limit - 1].id if len(found) > limit else None)

    async def live_operations(self, *, limit: int) -> Sequence[StoredOperation]:
        rows = await self._connection.read(lambda session: session.fetch(_live, limit=limit))
        return sorted(map(_OPERATION.value, rows), key=lambda each: each.id)

    async def prune_operations(self, *, before: datetime, most: int, limit: int) -> int:
        def prune(session: Session) -> int:
            beyond = session.first(_end, place=most)
            first_kept = max(to_ms(before), 0 if beyond is None else beyond[0] + 1)
            rows = session.fetch(_lock_old, before=first_kept, limit=limit)
            return session.run(_delete, ids(row[0] for row in rows)) if rows else 0

        return await self._connection.write(prune)


def _is_chosen() -> Any:
    return operations.c.id == parameter("chosen", TEXT)


@statement
def _lock_version(_: IncomingRows) -> Executable:
    return select(operations.c.version).where(_is_chosen()).with_for_update()


@statement
def _insert(rows: IncomingRows) -> Executable:
    v = rows(*_OPERATION.columns)
    return insert(operations).from_select(_OPERATION.names, select(*v.c))


@statement
def _update(rows: IncomingRows) -> Executable:
    v = rows(*_OPERATION.columns)
    written = {name: v.c[name] for name in _OPERATION.names if name != "id"}
    return update(operations).where(operations.c.id == v.c.id).values(written)


@query
def _one(_: IncomingRows) -> "Select[Any]":
    return select(*_OPERATION.columns).where(_is_chosen())


def _select_before() -> "Select[Any]":
    older = select(*_OPERATION.columns).where(operations.c.id < parameter("last", TEXT))
    return older.order_by(operations.c.id.desc()).limit(parameter("limit"))


@query
def _before(_: IncomingRows) -> "Select[Any]":
    return _select_before()


@query
def _own_before(_: IncomingRows) -> "Select[Any]":
    return _select_before().where(operations.c.namespace == parameter("namespace", TEXT))


@query
def _live(_: IncomingRows) -> "Select[Any]":
    live = select(*_OPERATION.columns).where(operations.c.ended_at_ms.is_(None))
    return live.order_by(operations.c.id).limit(parameter("limit"))


@statement
def _end(_: IncomingRows) -> Executable:
    """The last end beyond so many."""
    ends = select(operations.c.ended_at_ms).where(operations.c.ended_at_ms.is_not(None))
    return ends.order_by(operations.c.ended_at_ms.desc()).limit(literal(1)).offset(parameter("place"))


@query
def _lock_old(_: IncomingRows) -> "Select[Any]":
    old = select(operations.c.id).where(operations.c.ended_at_ms < parameter("before"))
    return old.order_by(operations.c.ended_at_ms).limit(parameter("limit")).with_for_update(skip_locked=True)


@statement
def _delete(rows: IncomingRows) -> Executable:
    v = rows(operations.c.id)
    return delete(operations).where(operations.c.id.in_(select(v.c.id)))
