"""The applications: the whole API for `serve`, and only the operators' routes for `consume`.

Errors leave an application as exceptions; `WebServer` turns them into problems.
"""

from aiohttp import web

from taskrunner.api.auth.access import Access
from taskrunner.api.endpoints.access import AccessRoutes
from taskrunner.api.endpoints.attempts import AttemptRoutes
from taskrunner.api.endpoints.audit import AuditRoutes
from taskrunner.api.endpoints.batch import BatchRoutes
from taskrunner.api.endpoints.console import ConsoleRoutes
from taskrunner.api.endpoints.dead_letters import DeadLetterRoutes
from taskrunner.api.endpoints.docs import DocsRoutes
from taskrunner.api.endpoints.events import EventRoutes
from taskrunner.api.endpoints.executors import ExecutorRoutes
from taskrunner.api.endpoints.explanation import ExplanationRoutes
from taskrunner.api.endpoints.fleet import FleetRoutes
from taskrunner.api.endpoints.health import HealthRoutes
from taskrunner.api.endpoints.hosts import HostRoutes
from taskrunner.api.endpoints.keys import KeyRoutes
from taskrunner.api.endpoints.operations import OperationRoutes
from taskrunner.api.endpoints.overview import OverviewRoutes
from taskrunner.api.endpoints.pauses import PauseRoutes
from taskrunner.api.endpoints.queues import QueueRoutes
from taskrunner.api.endpoints.remote import RemoteRoutes
from taskrunner.api.endpoints.schedule_times import ScheduleTimeRoutes
from taskrunner.api.endpoints.schedules import ScheduleRoutes
from taskrunner.api.endpoints.sessions import SessionRoutes
from taskrunner.api.endpoints.settings import ReadSettings, SettingRoutes
from taskrunner.api.endpoints.task_lists import TaskListRoutes
from taskrunner.api.endpoints.tasks import TaskRoutes
from taskrunner.api.endpoints.token_keys import TokenKeyRoutes
from taskrunner.api.endpoints.webhooks import WebhookRoutes
from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Routes
from taskrunner.api.waiting import Waiting
from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.domain.clock import SystemClock
from taskrunner.monitor.health import Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.dry_runner import DryRunner
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.explainer import Explainer
from taskrunner.producer.fleet import Fleet
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.producer.intake import Intake
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.operation_admin import OperationAdmin
from taskrunner.producer.pause_watch import PauseWatch
from taskrunner.producer.published_keys import PublishedKeys
from taskrunner.producer.queue_admin import QueueAdmin
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.schedule_admin import ScheduleAdmin
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.producer.webhook_admin import WebhookAdmin
from taskrunner.stores.base import Store

# The operators' routes take no bodies; this much is read to reach the next request.
_MONITOR_REQUEST_BYTES = 4096
LIVE_REQUESTS = web.AppKey("live_requests", LiveRequests)


def build_api(
    *,
    intake: Intake,
    dry_runner: DryRunner,
    requeue: Requeuer,
    schedules: ScheduleAdmin,
    cancellation: Cancellation,
    bulk_actions: BulkActions,
    operations: OperationAdmin,
    hosts: HostAdmin,
    explainer: Explainer,
    feed: TaskFeed,
    fleet: Fleet,
    queues: QueueAdmin,
    store: Store,
    health: Health,
    stats: Stats,
    metrics: Metrics,
    access: Access,
    keys: KeyAdmin,
    key_watch: KeyWatch,
    pauses: PauseWatch,
    sessions: Sessions,
    trail: AuditTrail,
    token_keys: PublishedKeys,
    webhooks: WebhookAdmin,
    executors: ExecutorAdmin,
    work: RemoteWork,
    attempts: RemoteAttempts,
    process_name: str,
    settings: ReadSettings,
    options: ApiSettings = ApiSettings(),  # noqa: B008 - frozen, so a default may be shared
) -> web.Application:
    """Everything that `serve` answers."""
    max_request_bytes = options.max_request_bytes
    app = web.Application(client_max_size=max_request_bytes)
    routes = Routes(app, access, trail, max_request_bytes=max_request_bytes)
    live = app[LIVE_REQUESTS] = LiveRequests(access, options)
    app.on_startup.append(live.start)
    app.on_shutdown.append(live.stop)
    waiting = Waiting(feed, live, options)
    TaskRoutes(
        intake, dry_runner, cancellation, store, waiting, options, max_request_bytes=max_request_bytes
    ).add_to(routes)
    TaskListRoutes(store, access, options).add_to(routes)
    EventRoutes(feed, live, store, options).add_to(routes)
    BatchRoutes(intake, options).add_to(routes)
    AttemptRoutes(store, options).add_to(routes)
    ExplanationRoutes(explainer).add_to(routes)
    OperationRoutes(operations, options).add_to(routes)
    PauseRoutes(store, queues, SystemClock(), pauses.refresh).add_to(routes)
    DeadLetterRoutes(requeue, bulk_actions, store, options).add_to(routes)
    ScheduleRoutes(schedules, options, max_request_bytes=max_request_bytes).add_to(routes)
    ScheduleTimeRoutes(schedules, store, SystemClock()).add_to(routes)
    KeyRoutes(keys, options).add_to(routes)
    SessionRoutes(sessions, key_watch, SystemClock(), options).add_to(routes)
    AccessRoutes().add_to(routes)
    AuditRoutes(trail).add_to(routes)
    WebhookRoutes(webhooks, options).add_to(routes)
    ExecutorRoutes(executors, options).add_to(routes)
    RemoteRoutes(work, attempts, live, options).add_to(routes)
    TokenKeyRoutes(token_keys).add_to(routes)
    HostRoutes(hosts, options, max_request_bytes=max_request_bytes).add_to(routes)
    FleetRoutes(fleet).add_to(routes)
    OverviewRoutes(fleet, hosts, store, health, stats).add_to(routes)
    QueueRoutes(queues, options).add_to(routes)
    SettingRoutes(process_name, settings).add_to(routes)
    HealthRoutes(health, stats, metrics, access).add_to(routes)
    console = ConsoleRoutes()
    console.add_to(routes)
    DocsRoutes(routes, console, limits=lambda: intake.task_settings.limits).add_to(routes)
    return app


def build_monitor_app(
    *, health: Health, stats: Stats, metrics: Metrics, access: Access, trail: AuditTrail
) -> web.Application:
    """What `consume` answers: health and statistics."""
    app = web.Application(client_max_size=_MONITOR_REQUEST_BYTES)
    routes = Routes(app, access, trail, max_request_bytes=_MONITOR_REQUEST_BYTES)
    HealthRoutes(health, stats, metrics, access).add_to(routes)
    DocsRoutes(routes).add_to(routes)
    return app
