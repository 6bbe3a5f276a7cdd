"""What the parts of the store on SQL share: each method is one transaction, of statements over a batch."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from taskrunner.stores.sql.session import Session, parts
from taskrunner.stores.sql.sql_connection import Operation, SqlStoreConnection

Item = TypeVar("Item")
Answer = TypeVar("Answer")


BatchOperation = Callable[[Session, Sequence[Item]], list[Answer]]


class SqlPart:
    """Runs operations over batches on `_connection`, in parts that one statement can carry."""

    name: str
    _connection: SqlStoreConnection

    async def _change(
        self,
        items: Sequence[Item],
        operation: BatchOperation[Item, Answer],
        size: Callable[[Item], int] = lambda item: 0,
    ) -> list[Answer]:
        """Run `operation` over `items` and commit."""
        return await self._connection.write(_in_parts(items, operation, size)) if items else []

    async def _look(self, items: Sequence[Item], operation: BatchOperation[Item, Answer]) -> list[Answer]:
        """Run `operation`, which only reads, over `items`."""
        return await self._connection.read(_in_parts(items, operation)) if items else []


def _in_parts(
    items: Sequence[Item],
    operation: BatchOperation[Item, Answer],
    size: Callable[[Item], int] = lambda item: 0,
) -> Operation[list[Answer]]:
    return lambda session: [answer for part in parts(items, size) for answer in operation(session, part)]
