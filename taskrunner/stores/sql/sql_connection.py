"""The connection to a database, and what uses it: the parts of the store run operations in transactions."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Events
from taskrunner.stores.connection import Fault, StoreConnection
from taskrunner.stores.sql.faults import fault
from taskrunner.stores.sql.session import Session, parts
from taskrunner.stores.sql.settings import Database, SqlSettings

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Operation = Callable[[Session], Answer]
BatchOperation = Callable[[Session, Sequence[Item]], list[Answer]]


class SqlStoreConnection(StoreConnection):
    """See `StoreConnection`. The methods that a database implements raise its driver's errors."""

    def __init__(self, database: Database, settings: SqlSettings, events: Events) -> None:
        super().__init__(
            events,
            service=database.service,
            title=database.title,
            address=str(database),
            dial_timeout=settings.dial_timeout,
            timeout=settings.timeout,
        )
        self._database = database

    async def upgrade(self) -> None:
        """Bring the schema up to date. Raises `StoreUnavailable`, `StoreUnfit`."""
        try:
            await self._upgrade()
        except Exception as exc:
            found = self._fault(exc)
            if found is None:
                raise
            raise (StoreUnfit if found.unfit else StoreUnavailable)(found.message) from exc

    async def write(self, operation: Operation[Answer]) -> Answer:
        """Run a change and commit it. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._write(operation))

    async def read(self, operation: Operation[Answer]) -> Answer:
        """Run an operation that only reads. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._read(operation))

    @abstractmethod
    async def check_replicas(self) -> None:
        """See `IntakeStore.check_replicas`."""

    @abstractmethod
    async def replicate(self) -> None:
        """See `IntakeStore.replicate`."""

    @abstractmethod
    async def _write(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction and commit. It may run more than once, after a rollback."""

    @abstractmethod
    async def _read(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction that only reads."""

    @abstractmethod
    async def _upgrade(self) -> None:
        """Create the schema, or bring it up to date. Waits for others that do so at the same time."""

    def _fault(self, exc: Exception) -> Fault | None:
        return fault(exc, self._database)


class SqlPart:
    """A part of the store: each method is one transaction, of statements over a batch cut into parts."""

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
