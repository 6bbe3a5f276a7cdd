"""The API in this process, on the memory broker and the Redis store with fakeredis behind it."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import fakeredis
import pytest
from fakeredis.aioredis import FakeAsyncRedisConnection

from taskrunner.api.app import build_api
from taskrunner.api.auth.access import Access
from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.api.probes import (
    broker_check,
    due_tasks,
    oldest_ages,
    queue_depths,
    reconnects,
    store_check,
    task_counts,
)
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Event, Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.masking import Masking
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.setting import SettingInForce
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings, TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.target_check import TargetCheck
from taskrunner.monitor import stats as stats_module
from taskrunner.monitor.health import Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats
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
from taskrunner.producer.operation_runner import OperationRunner
from taskrunner.producer.pause_watch import PauseWatch
from taskrunner.producer.published_keys import PublishedKeys
from taskrunner.producer.publisher import Publisher
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.queue_counter import QueueCounter
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.schedule_admin import ScheduleAdmin
from taskrunner.producer.search import Search
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.storage_quota import StorageQuota
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.producer.task_quota import TaskQuota
from taskrunner.producer.webhook_admin import WebhookAdmin
from taskrunner.producer.webhook_watch import WebhookWatch
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.flow.api.harness import Api
from tests.tools.executors import at_once
from tests.tools.waiting import PATIENCE

SECRETS = {"billing": ("hook.test",)}

NAMES = {
    "public.test": ["93.184.216.34", "2606:2800:220:1::1"],
    "private.test": ["10.1.2.3"],
    "mixed.test": ["93.184.216.34", "169.254.169.254"],
    "zoned.test": ["fe80::1%eth0"],
}


class NamesOfTests(Network):
    """Looks names up in a table of its own."""

    def resolve(self, host: str) -> list[str]:
        if host not in NAMES:
            raise OSError(f"no such name: {host}")
        return NAMES[host]


@pytest.fixture
def request_timeout() -> float:
    """Longer than any test; a test of this limit is parametrized with a short one."""
    return PATIENCE


@pytest.fixture
def keepalive_timeout() -> float:
    """Likewise."""
    return PATIENCE


@pytest.fixture
def access_settings() -> AccessSettings:
    """Of a server on loopback."""
    return AccessSettings()


@pytest.fixture
def server_settings() -> ServerSettings:
    """Those of a server that no proxy stands before."""
    return ServerSettings()


@pytest.fixture
def api_options() -> dict[str, Any]:
    """Limits other than the default ones."""
    return {}


@pytest.fixture
def token_keys() -> PublishedKeys:
    """None."""
    return PublishedKeys(None, {})


@pytest.fixture
def settings() -> list[SettingInForce]:
    """None."""
    return []


@pytest.fixture
def patient_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of `/stats` and `/overview` are not missing because the machine is busy."""
    monkeypatch.setattr(stats_module, "PROVIDER_TIMEOUT", PATIENCE)


@pytest.fixture
async def api(
    patient_stats: None,
    request_timeout: float,
    keepalive_timeout: float,
    access_settings: AccessSettings,
    server_settings: ServerSettings,
    api_options: dict[str, Any],
    token_keys: PublishedKeys,
    settings: list[SettingInForce],
) -> AsyncIterator[Api]:
    """An API whose dependencies are up."""
    clock, events, seen = SystemClock(), Events(), list[Event]()
    metrics, health = Metrics(clock, ExecutorSource()), Health(clock)
    for listener in (metrics, health):
        events.subscribe(listener, listener.kinds)
    events.subscribe(seen.append)
    redis = fakeredis.FakeServer(version=(7, 2))
    store = RedisStore(
        RedisSettings(timeout=PATIENCE, max_retries=1),
        events,
        make_connection=lambda *_: FakeAsyncRedisConnection(server=redis),
    )
    broker = MemoryBroker(events)
    await store.start()
    await broker.start()
    await store.wait_ready(PATIENCE)
    publisher = Publisher(broker, store, events, clock, forgotten_after=300)
    intake_settings = TaskSettingsSource(TaskSettings(limits=TaskLimits(callback_secrets=SECRETS)))
    intake = Intake(store, publisher, events, clock, intake_settings, hold=10, webhooks=WebhookSource(()))
    health.add("redis", store_check(store), needed=True)
    health.add("rabbitmq", broker_check(broker, consuming=False), needed=False)
    health.open()
    parts = {
        "queues": queue_depths(broker),
        "counts": task_counts(store),
        "due": due_tasks(store, clock, late=0),
        "stuck": due_tasks(store, clock, late=10),
        "oldest": oldest_ages(store, clock),
        "rates": metrics.rates,
        "reconnects": reconnects(broker, store),
    }
    requeue = Requeuer(store, intake, publisher, clock, hold=10)
    webhook_watch = WebhookWatch(store, events, clock)
    await webhook_watch.turn()
    cancellation = Cancellation(store, events, clock, RetentionSettings(), webhook_watch.source)
    watch = QueueWatch(
        store, broker, events, intake_settings, DeclaredQueues(), intake_settings.current.executors
    )
    keys = KeyWatch(store, events, clock)
    await keys.turn()
    known = intake_settings.current.executors
    executors = ExecutorWatch(store, events, clock, known, watch.declare_for_executors)
    await executors.turn()
    pauses = PauseWatch(store, events, clock, executors.source)
    sessions = Sessions(store, keys, events, clock)
    quota, storage = TaskQuota(store, keys, events, clock), StorageQuota(store, keys, events, clock)
    hosts = HostAdmin(store, events, clock, {"*.config.test": HostLimit(rate=2.5)}, HostSettings())
    trail = AuditTrail(store, events, clock)
    feed = TaskFeed(store, events, clock)
    await feed.start()
    lease_limits = LeaseLimits(store, clock, executors.source, ConsumerSettings(name="api"))
    attempts = RemoteAttempts(
        store, events, clock, RetentionSettings(), WebhookSource(()), lease_limits, lease=30.0
    )
    work = RemoteWork(
        store,
        broker,
        events,
        clock,
        intake_settings,
        executors.source,
        lease_limits,
        attempts.give_back,
        lease=30.0,
        hold=10.0,
    )
    counter = QueueCounter(broker, store, clock)
    explainer = Explainer(store, counter, watch.declared, hosts, trail, clock)
    bulk_actions = BulkActions(store, Search(store), cancellation, requeue)
    runner = OperationRunner(OperationRuns(store, bulk_actions, trail, events, clock, name="api"))
    app = build_api(
        intake=intake,
        dry_runner=DryRunner(intake, TargetCheck(None, NamesOfTests()).check),
        requeue=requeue,
        cancellation=cancellation,
        bulk_actions=bulk_actions,
        operations=OperationAdmin(store, clock),
        hosts=hosts,
        feed=feed,
        explainer=explainer,
        fleet=Fleet(store, counter, explainer, watch.declared, clock),
        queues=QueueAdmin(store, broker, watch, clock),
        schedules=ScheduleAdmin(store, intake, clock),
        store=store,
        health=health,
        stats=Stats(parts, clock, events),
        metrics=metrics,
        token_keys=token_keys,
        executors=ExecutorAdmin(
            store, Search(store), cancellation, clock, intake_settings, executors, at_once
        ),
        work=work,
        attempts=attempts,
        webhooks=WebhookAdmin(store, clock, intake_settings, webhook_watch.refresh),
        access=Access(keys, access_settings, KeyLimiter(store, clock), sessions, KeyQuotas(quota, storage)),
        keys=KeyAdmin(store, clock, storage=storage, refresh=keys.refresh),
        key_watch=keys,
        pauses=pauses,
        sessions=sessions,
        trail=trail,
        process_name="api",
        settings=lambda: settings,
        options=ApiSettings(request_timeout=request_timeout, masking=Masking(["X-Tenant"]), **api_options),
    )
    options = dataclasses.replace(
        server_settings, request_timeout=request_timeout, keepalive_timeout=keepalive_timeout
    )
    server = WebServer(app, "127.0.0.1", 0, events=events, options=options)
    await server.start()
    await runner.start()
    await work.start()
    async with aiohttp.ClientSession() as session:
        yield Api(
            app,
            server,
            store,
            redis,
            broker,
            health,
            session,
            intake,
            keys,
            sessions,
            quota,
            storage,
            pauses,
            feed,
            executors,
            work,
            attempts,
            seen,
        )
    await server.stop()
    await feed.stop()
    await runner.stop()
    await work.stop()
    await publisher.drain()
    await broker.stop()
    await store.stop()
