"""The link to a database: operations, run by its engine."""

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Events
from taskrunner.stores.sql.engine import Answer, Engine, Operation
from taskrunner.stores.sql.faults import fault
from taskrunner.stores.sql.settings import Database, SqlSettings
from taskrunner.stores.store_connection import Fault, Fitness, StoreConnection


class SqlStoreConnection(StoreConnection):
    """See `StoreConnection`."""

    def __init__(self, engine: Engine, settings: SqlSettings, database: Database, events: Events) -> None:
        super().__init__(
            events,
            service=database.service,
            title=database.title,
            address=str(database),
            dial_timeout=settings.dial_timeout,
            timeout=settings.timeout,
        )
        self._engine = engine
        self._database = database

    async def upgrade(self) -> None:
        """Bring the schema up to date. Raises `StoreUnavailable`, `StoreUnfit`."""
        try:
            await self._engine.upgrade()
        except Exception as exc:
            found = self._fault(exc)
            if found is None:
                raise
            raise (StoreUnfit if found.unfit else StoreUnavailable)(found.message) from exc

    async def write(self, operation: Operation[Answer]) -> Answer:
        """Run a change and commit it. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._engine.write(operation))

    async def read(self, operation: Operation[Answer]) -> Answer:
        """Run what only reads. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._engine.read(operation))

    async def ping(self) -> None:
        await self._call(self._engine.ping)

    async def check_replicas(self) -> None:
        """See `Store.check_replicas`."""
        await self._call(self._engine.check_replicas)

    async def replicate(self) -> None:
        """See `Store.replicate`."""
        await self._call(self._engine.replicate)

    async def _inspect(self) -> Fitness:
        return await self._engine.inspect()

    def _fault(self, exc: Exception) -> Fault | None:
        return fault(exc, self._database)

    async def _close(self) -> None:
        await self._engine.close()
