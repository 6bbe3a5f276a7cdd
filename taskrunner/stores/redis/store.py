"""The store on Redis: its parts, on one connection."""

from taskrunner.domain.events import Events
from taskrunner.runtime.tls_context import make_tls_context
from taskrunner.stores.base import Store
from taskrunner.stores.connection import ConnectedStore
from taskrunner.stores.redis.api_key_store import RedisApiKeyStore
from taskrunner.stores.redis.audit_store import RedisAuditStore
from taskrunner.stores.redis.change_store import RedisChangeStore
from taskrunner.stores.redis.connections import Connections, MakeConnection, make_connection
from taskrunner.stores.redis.consumer_store import RedisConsumerStore
from taskrunner.stores.redis.dead_letter_store import RedisDeadLetterStore
from taskrunner.stores.redis.dedup_store import RedisDedupStore
from taskrunner.stores.redis.executor_store import RedisExecutorStore
from taskrunner.stores.redis.fleet_store import RedisFleetStore
from taskrunner.stores.redis.host_store import RedisHostStore
from taskrunner.stores.redis.inspection_store import RedisInspectionStore
from taskrunner.stores.redis.intake_store import RedisIntakeStore
from taskrunner.stores.redis.operation_store import RedisOperationStore
from taskrunner.stores.redis.operator_store import RedisOperatorStore
from taskrunner.stores.redis.queue_store import RedisQueueStore
from taskrunner.stores.redis.rate_store import RedisRateStore
from taskrunner.stores.redis.redis_connection import SERVICE, RedisStoreConnection
from taskrunner.stores.redis.relay_store import RedisRelayStore
from taskrunner.stores.redis.replicas import Replicas
from taskrunner.stores.redis.schedule_store import RedisScheduleStore
from taskrunner.stores.redis.scripts import read_scripts
from taskrunner.stores.redis.session_store import RedisSessionStore
from taskrunner.stores.redis.settings import RedisSettings, endpoint, with_limits
from taskrunner.stores.redis.webhook_store import RedisWebhookStore


class RedisStore(
    RedisIntakeStore,
    RedisDedupStore,
    RedisRelayStore,
    RedisConsumerStore,
    RedisOperatorStore,
    RedisDeadLetterStore,
    RedisScheduleStore,
    RedisHostStore,
    RedisApiKeyStore,
    RedisAuditStore,
    RedisRateStore,
    RedisSessionStore,
    RedisChangeStore,
    RedisWebhookStore,
    RedisExecutorStore,
    RedisQueueStore,
    RedisOperationStore,
    RedisFleetStore,
    RedisInspectionStore,
    ConnectedStore,
    Store,
):
    """See `Store`. Ids sort by their bytes; every key of a finished task has a TTL.

    `make_connection` is for tests on another server than a real one.
    """

    name = SERVICE
    _connection: RedisStoreConnection

    def __init__(
        self, settings: RedisSettings, events: Events, *, make_connection: MakeConnection = make_connection
    ) -> None:
        where = endpoint(settings)
        settings = with_limits(settings, where)
        scripts, prefix = read_scripts(), f"{settings.prefix}:"
        context = None if where.tls is None else make_tls_context(where.tls, "Redis")
        connections = Connections(lambda: make_connection(settings, where, context))
        probe = ("EVAL", scripts["probe"].source, 1, prefix)
        connection = RedisStoreConnection(connections, settings, str(where), events, probe=probe)
        super().__init__(connection, scripts, prefix)
        self._replicas = Replicas(connection, settings, str(where), mark=f"{prefix}replicated")
