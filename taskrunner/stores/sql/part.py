"""What the parts of the store on SQL share: each method is one transaction, of statements over a batch."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from taskrunner.stores.sql.session import Session, parts
from taskrunner.stores.sql.sql_connection import SqlStoreConnection

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class SqlPart:
    """Runs operations on `_connection`."""

    name: str
    _connection: SqlStoreConnection

    async def _change(
        self,
        items: Sequence[Item],
        operation: Callable[[Session, Sequence[Item]], list[Answer]],
        size: Callable[[Item], int] = lambda item: 0,
    ) -> list[Answer]:
        """Run `operation` over `items` and commit; it gets them in parts that one statement can carry."""
        if not items:
            return []
        return await self._connection.write(lambda session: _in_parts(session, items, operation, size))

    async def _look(
        self, items: Sequence[Item], operation: Callable[[Session, Sequence[Item]], list[Answer]]
    ) -> list[Answer]:
        """Run `operation`, which only reads, as `_change` does."""
        if not items:
            return []
        return await self._connection.read(
            lambda session: _in_parts(session, items, operation, lambda item: 0)
        )


def _in_parts(
    session: Session,
    items: Sequence[Item],
    operation: Callable[[Session, Sequence[Item]], list[Answer]],
    size: Callable[[Item], int],
) -> list[Answer]:
    answers: list[Answer] = []
    for part in parts(items, size):
        answers += operation(session, part)
    return answers
