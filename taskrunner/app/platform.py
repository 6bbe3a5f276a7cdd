"""The platform: the store, the broker, and the services that every command uses."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress

from taskrunner.app.adapters import egress_proxy, make_broker, make_store
from taskrunner.app.default_store import default_store_explained
from taskrunner.config import Config
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.errors import OutsideError, StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.domain.events import Events
from taskrunner.domain.keys.console_session import SessionSettings
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.handlers.http.target_check import TargetCheck
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.dry_runner import DryRunner
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.executor_watch import ExecutorWatch
from taskrunner.producer.explainer import Explainer
from taskrunner.producer.fleet import Fleet
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.producer.intake import Intake
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.producer.key_limiter import KeyLimiter
from taskrunner.producer.key_quotas import KeyQuotas
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.operation_run import OperationRuns
from taskrunner.producer.pause_watch import PauseWatch
from taskrunner.producer.published_keys import PublishedKeys
from taskrunner.producer.publisher import Publisher
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.queue_counter import QueueCounter
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.storage_quota import StorageQuota
from taskrunner.producer.task_quota import TaskQuota
from taskrunner.producer.webhook_admin import WebhookAdmin
from taskrunner.producer.webhook_watch import WebhookWatch
from taskrunner.runtime.service_manager import ServiceManager

# How long a start waits for a service that is away before it continues without that service. Long enough to
# find a queue with other arguments, and short enough for an orchestrator's first probe.
_START_PATIENCE = 3.0
# A store that is needed gets longer: SQLite reports a locked file only after its own wait for the lock.
_NEEDED_PATIENCE = 6.0


class Platform:
    """Clock, events, store and broker of a process, and what submits, finds and changes tasks.

    `publishes` is False for a process that only writes to the store: its tasks are due at once, and the
    relay of another process publishes them. Such a process never connects to the broker.
    """

    def __init__(self, config: Config, *, publishes: bool = True) -> None:
        self.config = config
        self.publishes = publishes
        # A name that no other process has, nor an earlier one had: only the process that holds a lease may go
        # on, and only the one that made a claim may repeat it.
        self.process_name = f"{config.workers.name}-{secrets.token_hex(4)}"
        self.clock = SystemClock()
        self.events = Events()
        self.service_manager = ServiceManager(os.environ, os.getpid(), self.events)
        self.store = make_store(config, self.events)
        self.broker = make_broker(config, self.events)
        self.task_settings = TaskSettingsSource(config.task_settings())
        declared = DeclaredQueues(config.queues.weights())
        self._add_watches(declared)
        self._add_intake()
        self._add_keys()
        self._add_admins(declared)
        self._add_operations()

    def _add_watches(self, declared: DeclaredQueues) -> None:
        """What is in force: each process reads it from the store again and again."""
        known = self.task_settings.current.executors
        self.webhooks = WebhookWatch(self.store, self.events, self.clock)
        broker = self.broker if self.publishes else None
        self.queues = QueueWatch(self.store, broker, self.events, self.task_settings, declared, known)
        self.executors = ExecutorWatch(
            self.store, self.events, self.clock, known, self.queues.declare_for_executors
        )
        self.pauses = PauseWatch(self.store, self.events, self.clock, self.executors.source)
        self.keys = KeyWatch(self.store, self.events, self.clock, self.config.api_keys())

    def _add_intake(self) -> None:
        """What submits tasks, cancels them and sends them round again."""
        relay, retention = self.config.relay, self.config.retention_settings()
        hold = relay.hold if self.publishes else 0.0
        self.publisher = Publisher(
            self.broker, self.store, self.events, self.clock, forgotten_after=relay.forgotten_after
        )
        self.intake = Intake(
            self.store,
            self.publisher,
            self.events,
            self.clock,
            self.task_settings,
            hold=hold,
            webhooks=self.webhooks.source,
            retention=retention,
        )
        self.dry_runner = DryRunner(self.intake, TargetCheck(egress_proxy(self.config)).check)
        self.requeue = Requeuer(self.store, self.intake, self.publisher, self.clock, hold=hold)
        self.cancellation = Cancellation(self.store, self.events, self.clock, retention, self.webhooks.source)

    def _add_keys(self) -> None:
        """Who may ask, for how much, and what the audit says of it."""
        config = self.config
        self.sessions = Sessions(
            self.store, self.keys, self.events, self.clock, config.api.settings(SessionSettings)
        )
        self.task_quota = TaskQuota(self.store, self.keys, self.events, self.clock)
        self.storage_quota = StorageQuota(self.store, self.keys, self.events, self.clock)
        self.quotas = KeyQuotas(self.task_quota, self.storage_quota)
        self.key_limiter = KeyLimiter(self.store, self.clock)
        self.key_admin = KeyAdmin(
            self.store, self.clock, lambda: self.keys.configured, self.storage_quota, self.keys.refresh
        )
        self.token_keys = PublishedKeys(config.fetch.issuer, config.fetch.credentials)
        self.audit = AuditTrail(self.store, self.events, self.clock)

    def _add_admins(self, declared: DeclaredQueues) -> None:
        """What operators read and change."""
        config, broker = self.config, self.broker if self.publishes else None
        self.search = Search(self.store)
        self.hosts = HostAdmin(
            self.store, self.events, self.clock, config.hosts.limits, config.host_settings()
        )
        counter = QueueCounter(broker, self.store, self.clock)
        self.explainer = Explainer(self.store, counter, declared, self.hosts, self.audit, self.clock)
        self.fleet = Fleet(self.store, counter, self.explainer, declared, self.clock)
        self.queue_admin = QueueAdmin(self.store, broker, self.queues, self.clock)
        self.webhook_admin = WebhookAdmin(self.store, self.clock, self.task_settings, self.webhooks.refresh)
        self.executor_admin = ExecutorAdmin(
            self.store, self.search, self.cancellation, self.clock, self.task_settings, self.executors
        )

    def _add_operations(self) -> None:
        """What acts on many tasks."""
        self.bulk_actions = BulkActions(self.store, self.search, self.cancellation, self.requeue)
        self.operations = OperationAdmin(self.store, self.clock)
        self.operation_runs = OperationRuns(
            self.store, self.bulk_actions, self.audit, self.events, self.clock, name=self.process_name
        )

    @asynccontextmanager
    async def running(self, *, need_store: bool = False) -> AsyncIterator[None]:
        """Connect to the store and the broker; at the end, finish everything under way.

        Raises `SetupError` when one of them answers but cannot be used. The process starts without a service
        that is away, except for a needed store, for which it raises `StoreUnavailable`.
        """
        try:
            await self.store.start()
            await self.queues.declare()
            if self.publishes:
                await self.broker.start()
            with nullcontext() if need_store else suppress(OutsideError):
                await self.store.wait_ready(_NEEDED_PATIENCE if need_store else _START_PATIENCE)
            if self.publishes:
                with suppress(OutsideError):
                    await self.broker.wait_ready(_START_PATIENCE)
            yield
            await self.intake.drain()
            await self.publisher.drain()
        finally:
            await self.broker.stop()
            await self.store.stop()

    async def refuse_unkept_concern(self) -> None:
        """Raises `StoreUnfit` when the default write concern needs replicas that do not confirm a write.

        A store that is away cannot be asked about its replicas, so each submit asks again.
        """
        if self.config.store.write_concern is not WriteConcern.REPLICATED:
            return
        try:
            await self.store.check_replicas()
            await self.store.replicate([])
        except WriteUnconfirmed as exc:
            raise StoreUnfit(f"Store.write_concern is replicated, but {exc}") from exc
        except StoreUnavailable:
            return


async def operate(
    config: Config, use: Callable[[Platform], Awaitable[int]], *, publishes: bool = False
) -> int:
    """Run `use` on a platform whose store is connected; returns its exit code. Raises `StoreUnavailable`."""
    platform = Platform(config, publishes=publishes)
    watches = (platform.executors, platform.queues, platform.webhooks)
    async with default_store_explained(config), platform.running(need_store=True):
        # Known before the first task is made or ends; a command may run for hours.
        for watch in watches:
            await watch.turn()
            await watch.start()
        try:
            return await use(platform)
        finally:
            for watch in watches:
                await watch.stop()


async def produce(config: Config, use: Callable[[Platform], Awaitable[int]]) -> int:
    """As `operate`, for a `use` that submits tasks or requeues them.

    It does not publish to `memory://`: a memory broker of this process, and its messages, would end with us.
    """
    return await operate(config, use, publishes=not config.rabbit.in_memory)
