"""The set-up of the log: structlog, and the records of other libraries."""

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from taskrunner.domain.masking import strip_urls
from taskrunner.domain.tasks.task_log import TASK_LOGGER
from taskrunner.monitor.logfmt import logfmt

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str, format: str = "auto", *, stream: BinaryIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send our events and other libraries' warnings to `stream` (stderr), as JSON or logfmt or for people.

    `level` and `format` are the values of the `Logger` section. The JSON way is structlog's advice for
    speed: bytes to the stream, a logger that filters by level, cached, and few processors.
    https://www.structlog.org/en/stable/performance.html
    """
    output = sys.stderr.buffer if stream is None else stream
    on_terminal = output.isatty()
    chains: Mapping[str, list[Processor]] = {
        "json": [_render_json],
        "logfmt": [_render_logfmt],
        "console": _console_processors(on_terminal),
    }
    chosen = format if format != "auto" else "console" if on_terminal else "json"
    structlog.configure(
        processors=chains[chosen],
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
    line = _complete(logger, method, event)
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z)


def _render_logfmt(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """What people look for comes first."""
    line = _complete(logger, method, event)
    return logfmt({"timestamp": line["timestamp"], "level": method, "event": line["event"], **line})


def _complete(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """In one step: four of structlog's own processors take twice as long."""
    if "exc_info" in event:
        event = _format_exception(logger, method, event)
    return {"timestamp": datetime.now(UTC), "level": method, **event}


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
