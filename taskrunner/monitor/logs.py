"""The log: structlog's set-up, and the listener that turns events into lines.

`domain.masking` says what a line may show.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import orjson
import structlog
from msgspec import to_builtins
from structlog.typing import EventDict, Processor, WrappedLogger

from taskrunner.domain.events import (
    ApiOpened,
    AuditLost,
    CertificateRefused,
    CertificateRenewed,
    CircuitClosed,
    CircuitOpened,
    ConfigRefused,
    ConfigReloaded,
    DeadLetterCollected,
    DeliveryDropped,
    Event,
    ExecutorNotRegistered,
    ExecutorRegistered,
    HostLimitsChanged,
    HostSlowedDown,
    KeyNamesClash,
    LeaseExpired,
    LoopFailed,
    MessageRejected,
    PausesChanged,
    PortOpened,
    PublishFailed,
    QueuesChanged,
    RequestDenied,
    RequestFailed,
    ScheduleFailed,
    ServerFault,
    ServiceLost,
    ServiceRestored,
    ServiceStillLost,
    SettleRefused,
    StopRequested,
    StopWaits,
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
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task
from taskrunner.domain.task_log import TASK_LOGGER

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str, format: str = "auto", *, stream: BinaryIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send our events and other libraries' warnings to `stream` (stderr), as JSON lines or for people.

    `level` and `format` are the values of the `Logger` section. The JSON way is structlog's advice for
    speed: bytes to the stream, a logger that filters by level, cached, and few processors.
    https://www.structlog.org/en/stable/performance.html
    """
    output = sys.stderr.buffer if stream is None else stream
    on_terminal = output.isatty()
    console = format == "console" or (format == "auto" and on_terminal)
    structlog.configure(
        processors=_console_processors(on_terminal) if console else [_render_json],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(file=cast(BinaryIO, _LossyStream(output))),
        cache_logger_on_first_use=True,
    )
    _redirect_standard_logging(LEVELS[level])


class _LossyStream:
    """Ignores failed writes: a full disk under the log costs lines, not tasks."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        self._try(lambda: self._stream.write(line))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as exc:
            # click answers a closed pipe; there is no other place to report the rest.
            if isinstance(exc, BrokenPipeError):
                raise


def _console_processors(colors: bool) -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
        _format_exception,
        _format_times,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
        _encode,
    ]


def _render_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """The whole chain in one step: four of structlog's own processors take twice as long."""
    if "exc_info" in event:
        event = _format_exception(logger, method, event)
    line = {"timestamp": datetime.now(UTC), "level": method, **event}
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z)


def _format_times(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, datetime):
            event[name] = value.isoformat(timespec="milliseconds")
    return event


def _encode(_logger: WrappedLogger, _method: str, line: Any) -> bytes:
    return str(line).encode(errors="backslashreplace")


def _format_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The traceback as text, without values of variables and with its URLs stripped."""
    if "exc_info" not in event:
        return event
    formatted = structlog.processors.format_exc_info(logger, method, event)
    if "exception" in formatted:
        formatted["exception"] = strip_urls(formatted["exception"])
    return formatted


class _Redirect(logging.Handler):
    """Hands records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and record.name != TASK_LOGGER:
            return
        # By threshold: libraries may have levels between the standard ones.
        at = "debug"
        for name, least in LEVELS.items():
            at = name if record.levelno >= least else at
        try:
            write = getattr(structlog.get_logger(), at)
            write(strip_urls(record.getMessage()), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a bad log call must not fail whoever made it
            self.handleError(record)


def _redirect_standard_logging(task_level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Redirect()]
    root.setLevel(logging.WARNING)
    logging.getLogger(TASK_LOGGER).setLevel(task_level)
    # pika logs every failed attempt to connect at length; our ServiceLost reports an outage once.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)


class EventLog:
    """Listens to events of these `kinds` and writes one line for each: those of at least `level`.

    Create it after `configure`.
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
    AuditLost: ("error", _audit_lost),
    LoopFailed: ("error", _failed),
    RequestFailed: ("error", _request_failed),
}
