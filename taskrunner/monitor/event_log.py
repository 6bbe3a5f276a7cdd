"""The log of events: one line for each event that the level lets through.

`domain.masking` says what a line may show.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from msgspec import to_builtins

from taskrunner.domain.events import (
    CircuitClosed,
    CircuitOpened,
    DeadLetterCollected,
    DeliveryDropped,
    Event,
    ExecutorNotRegistered,
    ExecutorRegistered,
    HostSlowedDown,
    LeaseExpired,
    LoopFailed,
    MessageRejected,
    PublishFailed,
    ScheduleFailed,
    ServerFault,
    ServiceLost,
    ServiceRestored,
    ServiceStillLost,
    SettleRefused,
    TaskAdopted,
    TaskExpired,
    TasksAccepted,
    TasksCancelled,
    TasksDeleted,
    TaskSentBack,
    TaskSettled,
    TasksPublished,
    TasksSnoozed,
    TaskStarted,
    WorkerProcessLost,
    WorkersCapped,
    WorkersScaled,
    WorkerWrittenOff,
)
from taskrunner.domain.masking import logged_path, logged_url, strip_urls
from taskrunner.domain.process_events import (
    ApiOpened,
    AuditLost,
    CertificateRefused,
    CertificateRenewed,
    CertificateShown,
    ConfigRefused,
    ConfigReloaded,
    HostLimitsChanged,
    KeyNamesClash,
    PausesChanged,
    PortOpened,
    QueuesChanged,
    RequestAnswered,
    RequestDenied,
    RequestFailed,
    StopRequested,
    StopWaits,
)
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.monitor.logs import LEVELS


class EventLog:
    """Listens to events of these `kinds` and writes one line for each: those of at least `level`.

    Create it after `logs.configure`.
    """

    def __init__(self, level: str = "info") -> None:
        self._log: Any = structlog.get_logger().bind()
        self._publishing_fails = False
        self._writers: dict[type[Event], Callable[[Any], object]] = {
            kind: _writer(getattr(self._log, at), _event_name(kind), fields)
            for kind, (at, fields) in LINES.items()
            if LEVELS[at] >= LEVELS[level]
        }
        self._on_published = self._writers.get(TasksPublished)
        self._writers[TasksPublished] = self._tasks_published
        self._writers[PublishFailed] = self._publish_failed
        self.kinds = self._writers.keys()

    def __call__(self, event: Event) -> None:
        self._writers[type(event)](event)

    def _tasks_published(self, event: TasksPublished) -> None:
        self._publishing_fails = False
        if self._on_published:
            self._on_published(event)

    def _publish_failed(self, event: PublishFailed) -> None:
        """Only the first in a row is a warning: during an outage every submitted task causes one."""
        write = self._log.debug if self._publishing_fails else self._log.warning
        self._publishing_fails = True
        write(_event_name(PublishFailed), count=event.count, error=strip_urls(event.error))


Fields = Callable[[Any], dict[str, Any]]


def _writer(write: Callable[..., object], name: str, fields: Fields) -> Callable[[Any], object]:
    return lambda event: write(name, **fields(event))


def _event_name(kind: type[Event]) -> str:
    """`TaskSettled` as `task_settled`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _settled(event: TaskSettled) -> dict[str, Any]:
    """The canonical line: everything about an attempt in one place."""
    task, outcome, verdict = event.task, event.outcome, event.verdict
    fields: dict[str, Any] = {
        "task": task.id,
        "attempt": event.attempt,
        **_target(task),
        "queue": task.queue,
        "outcome": outcome.kind.value,
        "status_code": outcome.response.status if outcome.response else None,
        "status": verdict.status.value,
        "elapsed": round(event.elapsed, 4),
    }
    if verdict.due is not None:
        fields["due"] = verdict.due
    if outcome.error is not None:
        fields["reason"] = verdict.reason
        fields["error"] = strip_urls(outcome.error)
    return fields


def _expired(event: TaskExpired) -> dict[str, Any]:
    """Like a failed attempt, with the deadline instead of the outcome."""
    fields: dict[str, Any] = {"task": event.id, "attempts": event.attempts}
    if (task := event.task) is not None:
        fields |= {**_target(task), "queue": task.queue}
        fields["expires_at"] = task.expires_at
    return {**fields, "status": Status.FAILED.value, "reason": "expired", "error": strip_urls(event.error)}


def _plain(event: Event) -> dict[str, Any]:
    """An event's own fields; only for events without a task."""
    return {name: _readable(getattr(event, name)) for name in event.__struct_fields__}


def _target(task: Task) -> dict[str, Any]:
    """What runs the task, or where it goes."""
    request = {} if task.url is None else {"method": task.method, "url": logged_url(task.url)}
    return request if task.executor is None else {"executor": task.executor, **request}


def _readable(value: Any) -> Any:
    """Seconds to the millisecond, texts with their URLs stripped."""
    if isinstance(value, float):
        return round(value, 3)
    return strip_urls(value) if isinstance(value, str) else value


def _started(event: TaskStarted) -> dict[str, Any]:
    return {"task": event.task.id, "attempt": event.attempt, **_target(event.task)}


def _failed(event: LoopFailed) -> dict[str, Any]:
    return {"service": event.service, "error": type(event.error).__name__, "exc_info": event.error}


def _audit_lost(event: AuditLost) -> dict[str, Any]:
    entry = to_builtins(event.entry)
    return {**entry, "error": strip_urls(f"{type(event.error).__name__}: {event.error}")}


def _request_failed(event: RequestFailed) -> dict[str, Any]:
    shown = {"id": event.id, "request_id": event.request_id, "method": event.method}
    return {
        **shown,
        "path": logged_path(event.path),
        "error": type(event.error).__name__,
        "exc_info": event.error,
    }


# The level and the fields of each event. An operator acts on WARNING today and on ERROR now.
LINES: Mapping[type[Event], tuple[str, Fields]] = {
    TaskSettled: ("info", _settled),
    TaskStarted: ("debug", _started),
    TasksAccepted: ("debug", _plain),
    TasksPublished: ("debug", _plain),
    PublishFailed: ("warning", _plain),
    SettleRefused: ("info", _plain),
    DeliveryDropped: ("debug", _plain),
    TaskAdopted: ("debug", _plain),
    MessageRejected: ("warning", _plain),
    DeadLetterCollected: ("info", _plain),
    TaskSentBack: ("warning", _plain),
    TaskExpired: ("info", _expired),
    ScheduleFailed: ("warning", _plain),
    PausesChanged: ("info", _plain),
    QueuesChanged: ("info", _plain),
    CertificateShown: ("info", _plain),
    CertificateRenewed: ("info", _plain),
    CertificateRefused: ("error", _plain),
    ConfigReloaded: ("info", _plain),
    ConfigRefused: ("error", _plain),
    HostLimitsChanged: ("info", _plain),
    ExecutorNotRegistered: ("warning", _plain),
    ExecutorRegistered: ("info", _plain),
    TasksSnoozed: ("debug", _plain),
    CircuitOpened: ("warning", _plain),
    CircuitClosed: ("info", _plain),
    HostSlowedDown: ("info", _plain),
    TasksCancelled: ("info", _plain),
    TasksDeleted: ("info", _plain),
    LeaseExpired: ("warning", _plain),
    WorkersScaled: ("info", _plain),
    WorkersCapped: ("warning", _plain),
    WorkerWrittenOff: ("warning", _plain),
    WorkerProcessLost: ("error", _plain),
    ServiceLost: ("warning", _plain),
    ServiceStillLost: ("warning", _plain),
    ServerFault: ("error", _plain),
    ServiceRestored: ("info", _plain),
    PortOpened: ("info", _plain),
    ApiOpened: ("warning", _plain),
    KeyNamesClash: ("error", _plain),
    StopRequested: ("info", _plain),
    StopWaits: ("info", _plain),
    RequestDenied: ("debug", _plain),
    RequestAnswered: ("debug", _plain),
    AuditLost: ("error", _audit_lost),
    LoopFailed: ("error", _failed),
    RequestFailed: ("error", _request_failed),
}
