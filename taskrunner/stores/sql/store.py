"""The store on SQL: its parts, on one connection."""

from taskrunner.domain.events import Events
from taskrunner.stores.base import Store
from taskrunner.stores.connection import ConnectedStore
from taskrunner.stores.sql.api_key_store import SqlApiKeyStore
from taskrunner.stores.sql.audit_store import SqlAuditStore
from taskrunner.stores.sql.change_store import SqlChangeStore
from taskrunner.stores.sql.consumer_store import SqlConsumerStore
from taskrunner.stores.sql.dead_letter_store import SqlDeadLetterStore
from taskrunner.stores.sql.dedup_store import SqlDedupStore
from taskrunner.stores.sql.executor_store import SqlExecutorStore
from taskrunner.stores.sql.fleet_store import SqlFleetStore
from taskrunner.stores.sql.host_store import SqlHostStore
from taskrunner.stores.sql.inspection_store import SqlInspectionStore
from taskrunner.stores.sql.intake_store import SqlIntakeStore
from taskrunner.stores.sql.operation_store import SqlOperationStore
from taskrunner.stores.sql.operator_store import SqlOperatorStore
from taskrunner.stores.sql.queue_store import SqlQueueStore
from taskrunner.stores.sql.rate_store import SqlRateStore
from taskrunner.stores.sql.relay_store import SqlRelayStore
from taskrunner.stores.sql.schedule_store import SqlScheduleStore
from taskrunner.stores.sql.session_store import SqlSessionStore
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings, database
from taskrunner.stores.sql.sql_connection import SqlStoreConnection
from taskrunner.stores.sql.webhook_store import SqlWebhookStore


class SqlStore(
    SqlIntakeStore,
    SqlDedupStore,
    SqlRelayStore,
    SqlConsumerStore,
    SqlOperatorStore,
    SqlDeadLetterStore,
    SqlScheduleStore,
    SqlHostStore,
    SqlApiKeyStore,
    SqlAuditStore,
    SqlRateStore,
    SqlSessionStore,
    SqlChangeStore,
    SqlWebhookStore,
    SqlExecutorStore,
    SqlQueueStore,
    SqlOperationStore,
    SqlFleetStore,
    SqlInspectionStore,
    ConnectedStore,
    Store,
):
    """See `Store`. Ids sort by their bytes. Only `upgrade` creates the tables."""

    def __init__(self, settings: SqlSettings, events: Events) -> None:
        where = database(settings)
        # Imported only when needed: asyncpg and SQLAlchemy's asyncio take 0.2 s of a start.
        if isinstance(where, SqliteFile):
            from taskrunner.stores.sql.sqlite import SqliteConnection

            self._connection: SqlStoreConnection = SqliteConnection(where, settings, events)
        else:
            from taskrunner.stores.sql.postgres import PostgresConnection

            self._connection = PostgresConnection(where, settings, events)
        self.name = where.service

    async def upgrade(self) -> None:
        """Create the tables, or bring them up to date; call it before `start`. Processes may do so at once.

        Raises `StoreUnavailable`, and `StoreUnfit` for what it must not touch: a newer schema, a file that is
        not a database, or another program's file.
        """
        await self._connection.upgrade()
