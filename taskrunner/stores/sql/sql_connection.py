"""The connection to a database: runs operations in transactions."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Events
from taskrunner.stores.connection import Fault, StoreConnection
from taskrunner.stores.sql.faults import fault
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.settings import Database, SqlSettings

Answer = TypeVar("Answer")
Operation = Callable[[Session], Answer]


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

    async def ping(self) -> None:
        await self._call(self._ping)

    async def check_replicas(self) -> None:
        """See `IntakeStore.check_replicas`."""
        await self._call(self._check_replicas)

    async def replicate(self) -> None:
        """See `IntakeStore.replicate`."""
        await self._call(self._replicate)

    @abstractmethod
    async def _write(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction and commit. It may run more than once, after a rollback."""

    @abstractmethod
    async def _read(self, operation: Operation[Answer]) -> Answer:
        """Run it in a transaction that only reads."""

    @abstractmethod
    async def _ping(self) -> None: ...

    @abstractmethod
    async def _check_replicas(self) -> None: ...

    @abstractmethod
    async def _replicate(self) -> None: ...

    @abstractmethod
    async def _upgrade(self) -> None:
        """Create the schema, or bring it up to date. Waits for others that do so at the same time."""

    def _fault(self, exc: Exception) -> Fault | None:
        return fault(exc, self._database)
