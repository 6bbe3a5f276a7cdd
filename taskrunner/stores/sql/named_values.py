"""Values by name on SQL: each is one row of a table with the columns `name` and `encoded`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Executable, Select, Table, delete, insert, select, update

from taskrunner.domain.codec import encode
from taskrunner.stores.named_value import NamedValue
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlStoreConnection
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement

Decoded = TypeVar("Decoded")


class NamedValues:
    """The encoded values of `table`, and their statements."""

    def __init__(self, table: Table) -> None:
        is_chosen = table.c.name == parameter("chosen", TEXT)
        encoded = parameter("encoded", TEXT)

        def lock(_: IncomingRows) -> Executable:
            return select(table.c.encoded).where(is_chosen).with_for_update()

        def add(_: IncomingRows) -> Executable:
            return insert(table).values(name=parameter("chosen", TEXT), encoded=encoded)

        def change(_: IncomingRows) -> Executable:
            return update(table).where(is_chosen).values(encoded=encoded)

        def remove(_: IncomingRows) -> Executable:
            return delete(table).where(is_chosen)

        def everything(_: IncomingRows) -> "Select[Any]":
            return select(table.c.name, table.c.encoded)

        self._lock, self._add, self._change = statement(lock), statement(add), statement(change)
        self._remove, self._all = statement(remove), query(everything)

    async def save(
        self, connection: SqlStoreConnection, value: NamedValue, expected: NamedValue | None
    ) -> bool:
        """Write a value in place of `expected` (None: there is none). False if another stands there.

        A race with another process for a name ends in a unique violation, and is tried again.
        """
        written, before = _text(value), None if expected is None else _text(expected)

        def save(session: Session) -> bool:
            found = self._found(session, value.name)
            if found == written:
                return True
            if found != before:
                return False
            session.run(self._add if found is None else self._change, chosen=value.name, encoded=written)
            return True

        return await connection.write(save)

    async def delete(self, connection: SqlStoreConnection, expected: NamedValue) -> bool:
        """Remove a value. False if another has its name; True if it is gone already."""

        def delete_expected(session: Session) -> bool:
            found = self._found(session, expected.name)
            if found is not None and found != _text(expected):
                return False
            session.run(self._remove, chosen=expected.name)
            return True

        return await connection.write(delete_expected)

    async def all(
        self, connection: SqlStoreConnection, decode: Callable[[bytes], Decoded]
    ) -> Sequence[Decoded]:
        """All values, by name."""
        rows = await connection.read(lambda session: session.fetch(self._all))
        return [decode(encoded.encode()) for _, encoded in sorted((row[0], row[1]) for row in rows)]

    def _found(self, session: Session, name: str) -> str | None:
        row = session.first(self._lock, chosen=name)
        return None if row is None else row[0]


def _text(value: NamedValue) -> str:
    return encode(value).decode()
