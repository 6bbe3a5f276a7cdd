"""A session: runs statements in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection

from taskrunner.stores.connection import cut
from taskrunner.stores.sql.statement import Statement

Item = TypeVar("Item")
Row = Sequence[Any]
Rows = Sequence[Mapping[str, Any]]

# One statement gets at most this much, unless a single item is larger.
_PART_ITEMS = 1000
_PART_BYTES = 16 * 1024 * 1024


class Session:
    """Runs statements in the transaction of `connection`; `moves` counts the tasks that changed status.

    `changes` are the same in order, each with the id and the new status, None for a deleted task.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self.moves: Counter[str] = Counter()
        self.changes: list[tuple[str, str | None]] = []

    def run(self, statement: Statement, rows: Rows | None = None, /, **parameters: Any) -> int:
        """Run a change; answers how many rows it changed."""
        if rows is not None:
            parameters["rows"] = orjson.dumps(rows).decode()
        return int(self._connection.execute(statement(self._dialect), parameters).rowcount)

    def fetch(self, query: Statement, rows: Rows | None = None, /, **parameters: Any) -> list[Row]:
        """All rows of a `query`. SQLite may change their order: sort them where it matters."""
        if rows is not None:
            parameters["rows"] = orjson.dumps(rows).decode()
        result = self._connection.execute(query(self._dialect), parameters)
        if self._dialect != "sqlite":
            return [tuple(row) for row in result]
        found: list[Row] = orjson.loads(result.scalar_one())
        return found

    def mapping(self, query: Statement, rows: Rows | None = None, /) -> dict[Any, Any]:
        """The rows of a `query` of two columns, the second by the first."""
        return {row[0]: row[1] for row in self.fetch(query, rows)}

    def first(self, statement: Statement, /, **parameters: Any) -> Row | None:
        """The first row of a `statement` that reads; for bytes, which JSON cannot carry."""
        return self._connection.execute(statement(self._dialect), parameters).first()

    def moved(self, before: str | None, after: str | None) -> None:
        """Count a task that went from one status to another; None is outside of the store."""
        if before is not None:
            self.moves[before] -= 1
        if after is not None:
            self.moves[after] += 1

    def changed(self, task_id: str, status: str | None) -> None:
        """Log a change of status, if changes are logged."""
        self.changes.append((task_id, status))


def ids(found: Iterable[str]) -> list[dict[str, str]]:
    """Rows that hold an id each."""
    return [{"id": task_id} for task_id in found]


def parts(items: Sequence[Item], size: Callable[[Item], int] = lambda _: 0) -> Iterator[Sequence[Item]]:
    """`items` in parts that one statement can carry."""
    return cut(items, size, item_limit=_PART_ITEMS, byte_limit=_PART_BYTES)
