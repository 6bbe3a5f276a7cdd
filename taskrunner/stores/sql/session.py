"""A session: one transaction, its batches carried in and out as JSON.

SQLite gives up Python's interpreter lock at every step of a statement and may wait 5 ms to have it back: 500
rows by `executemany` took 4,165 ms beside a busy thread, the same rows as one JSON parameter 28 ms. So rows
go in as one parameter, and on SQLite come out as one value.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Executable,
    FromClause,
    Select,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

Item = TypeVar("Item")
Row = Sequence[Any]
Rows = Sequence[Mapping[str, Any]]

# One statement is given this much at most, beyond a single large item.
_PART_ITEMS = 1000
_PART_BYTES = 16 * 1024 * 1024


def incoming(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """The rows of the parameter `rows` as a table `v`."""
    parameter = bindparam("rows", type_=Text())
    if dialect == "sqlite":
        each = func.json_each(parameter).table_valued("value")
        fields = (
            func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name)
            for name, kind in columns.items()
        )
        return select(*fields).subquery("v")
    named: list[Column[Any]] = [Column(name, kind) for name, kind in columns.items()]
    recordset = func.jsonb_to_recordset(cast(parameter, JSONB))
    return recordset.table_valued(*(column(c.name, c.type) for c in named)).render_derived(
        name="v", with_types=True
    )


def answer(dialect: str, query: "Select[Any]") -> Executable:
    """`query` in the form in which `Session.fetch` wants it."""
    if dialect != "sqlite":
        return query
    rows = query.subquery("r")
    return select(func.json_group_array(func.json_array(*rows.c)))


class Session:
    """Runs statements in the transaction of `connection`; `moves` gathers how many tasks changed status."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._packed = connection.dialect.name == "sqlite"
        self.moves: Counter[str] = Counter()

    def run(self, statement: Executable, rows: Rows | None = None, /, **parameters: Any) -> int:
        """Carry out a change; answers how many rows it changed."""
        if rows is not None:
            parameters["rows"] = orjson.dumps(rows).decode()
        return int(self._connection.execute(statement, parameters).rowcount)

    def fetch(self, statement: Executable, rows: Rows | None = None, /, **parameters: Any) -> list[Row]:
        """All rows of an `answer`. Their order is the query's only by luck: sort where it matters."""
        if rows is not None:
            parameters["rows"] = orjson.dumps(rows).decode()
        result = self._connection.execute(statement, parameters)
        if not self._packed:
            return [tuple(row) for row in result]
        found: list[Row] = orjson.loads(result.scalar_one())
        return found

    def mapping(self, statement: Executable, rows: Rows | None = None, /) -> dict[Any, Any]:
        """The rows of an `answer` of two columns, the second by the first."""
        return {row[0]: row[1] for row in self.fetch(statement, rows)}

    def first(self, statement: Executable, /, **parameters: Any) -> Row | None:
        """The first row of a plain query; for bytes, which JSON does not carry."""
        return self._connection.execute(statement, parameters).first()

    def moved(self, before: str | None, after: str | None) -> None:
        """A task went from one status to another; None is outside of the store."""
        if before is not None:
            self.moves[before] -= 1
        if after is not None:
            self.moves[after] += 1

    def changes(self) -> Rows:
        """The lines for the ledger of counts."""
        return [{"status": status, "delta": delta} for status, delta in self.moves.items() if delta]


def parts(items: Sequence[Item], size: Callable[[Item], int] = lambda item: 0) -> Iterator[Sequence[Item]]:
    """`items` in parts that one statement can carry."""
    first, room = 0, _PART_BYTES
    for position, item in enumerate(items):
        room -= size(item)
        if position > first and (room < 0 or position - first == _PART_ITEMS):
            yield items[first:position]
            first, room = position, _PART_BYTES - size(item)
    if first < len(items):
        yield items[first:]
