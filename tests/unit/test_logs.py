"""The log: one line for each event that the level lets through, and nothing secret in any."""

import errno
import io
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from taskrunner.domain import events, process_events
from taskrunner.domain.events import (
    DeliveryDropped,
    Event,
    Events,
    LoopFailed,
    PublishFailed,
    ServiceLost,
    ServiceRestored,
    TaskExpired,
    TaskSettled,
    TasksPublished,
    TaskStarted,
    WorkersScaled,
)
from taskrunner.domain.process_events import RequestFailed
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.monitor.event_log import LINES, EventLog
from taskrunner.monitor.logs import configure

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "hunter2"
TASK = Task(
    id="t-1",
    url=f"https://example.com:8443/a/b?token={SECRET}#{SECRET}",
    method="POST",
    headers={"Authorization": SECRET},
    body=SECRET,
    timeout=30,
    max_attempts=5,
    retry=RetryPolicy(),
    labels={"team": SECRET},
    created_at=NOW,
)
SETTLED = TaskSettled(
    task=TASK,
    attempt=2,
    outcome=Outcome(
        kind=OutcomeKind.HTTP_ERROR,
        error=f"503 from https://me:{SECRET}@example.com/a?token={SECRET}",
        response=Response(status=503, headers=(("Set-Cookie", SECRET),), body=SECRET.encode()),
    ),
    verdict=Verdict(status=Status.RETRYING, due=NOW, reason="retry"),
    elapsed=0.123456,
)


def written(*happened: Event, level: str = "info") -> list[dict[str, Any]]:
    stream = io.BytesIO()
    configure(level, "json", stream=stream)
    _emit(happened, EventLog(level))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def printed(*happened: Event) -> str:
    stream = io.BytesIO()
    configure("info", "console", stream=stream)
    _emit(happened, EventLog())
    return stream.getvalue().decode()


def _emit(happened: Iterable[Event], log: EventLog) -> None:
    bus = Events()
    bus.subscribe(log, log.kinds)
    for event in happened:
        bus.emit(event)


def test_an_attempt_is_one_canonical_line() -> None:
    """All that one wants to know of it, at INFO although it failed."""
    (line,) = written(SETTLED)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "task_settled",
        "task": "t-1",
        "attempt": 2,
        "method": "POST",
        "url": "example.com:8443/a/b",
        "queue": "medium",
        "outcome": "http_error",
        "status_code": 503,
        "status": "retrying",
        "elapsed": 0.1235,
        "due": "2026-01-02T03:04:05Z",
        "reason": "retry",
        "error": "503 from https://example.com/a",
    }


def test_a_good_attempt_has_no_error_and_no_due_time() -> None:
    """What does not apply is not there."""
    good = TaskSettled(
        task=TASK,
        attempt=1,
        outcome=Outcome(kind=OutcomeKind.OK, response=Response(status=200)),
        verdict=Verdict(status=Status.SUCCEEDED, reason="ok"),
        elapsed=0.1,
    )
    (line,) = written(good)
    assert not line.keys() & {"due", "error", "reason"}
    assert (line["status"], line["status_code"]) == ("succeeded", 200)


def test_an_expired_task_is_told_as_one_that_failed() -> None:
    """Which it was, why it failed, and when it should have started; of an unreadable one what there is."""
    expired = TaskExpired(id="t-1", attempts=1, task=replace(TASK, expires_at=NOW), error="too late")
    line, short = written(expired, TaskExpired(id="t-2", attempts=0, task=None, error="too late"))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "task_expired",
        "task": "t-1",
        "attempts": 1,
        "method": "POST",
        "url": "example.com:8443/a/b",
        "queue": "medium",
        "expires_at": "2026-01-02T03:04:05Z",
        "status": "failed",
        "reason": "expired",
        "error": "too late",
    }
    assert (short["task"], short["reason"]) == ("t-2", "expired")


@pytest.mark.parametrize("level", ["debug", "info"])
def test_no_line_holds_what_may_be_secret(level: str) -> None:
    """Header values, bodies, labels, query strings and user information."""
    lost = ServiceLost(service="redis", error=f"dial redis://me:{SECRET}@h:1/0?x={SECRET} failed")
    started = TaskStarted(task=TASK, attempt=1)
    try:
        raise ValueError(f"cannot fetch https://me:{SECRET}@h/?{SECRET}")
    except ValueError as exc:
        failed = LoopFailed(service="relay", error=exc)
        refused = RequestFailed(id="r", request_id="q", method="GET", path=f"/tasks?{SECRET}", error=exc)
    expired = TaskExpired(id="t", attempts=0, task=TASK, error=f"late: https://me:{SECRET}@h/?{SECRET}")
    happened = (SETTLED, lost, started, expired, failed, refused)
    assert SECRET not in json.dumps(written(*happened, level=level))
    assert SECRET not in printed(*happened)


def test_every_event_has_a_level_and_a_line() -> None:
    """A new event that nobody thought of here fails this test."""
    kinds = {
        kind
        for kind in (*vars(events).values(), *vars(process_events).values())
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    assert kinds == set(LINES)


def test_seconds_are_told_to_the_millisecond() -> None:
    """An outage of 1.868000000000393 s is one of 1.868 s."""
    (line,) = written(ServiceRestored(service="redis", outage=1.868000000000393))
    assert line["outage"] == 1.868


def test_the_level_decides_what_is_written() -> None:
    """Each level has its own lines and those of the more urgent ones."""
    happened = (
        DeliveryDropped(task_id="t", attempt=1, reason="stale"),
        WorkersScaled(before=5, after=50, reason="up"),
        ServiceLost(service="redis", error="refused"),
        ServiceRestored(service="redis", outage=1.5),
        LoopFailed(service="relay", error=KeyError("x")),
    )
    names = {
        level: [line["event"] for line in written(*happened, level=level)]
        for level in ("debug", "info", "warning", "error")
    }
    assert names == {
        "debug": ["delivery_dropped", "workers_scaled", "service_lost", "service_restored", "loop_failed"],
        "info": ["workers_scaled", "service_lost", "service_restored", "loop_failed"],
        "warning": ["service_lost", "loop_failed"],
        "error": ["loop_failed"],
    }


def test_an_event_below_the_level_is_not_even_looked_at() -> None:
    """An attempt costs nothing when its line is not wanted: its fields are not read."""
    nothing: Any = object()
    unreadable = TaskSettled(task=nothing, attempt=1, outcome=nothing, verdict=nothing, elapsed=0.0)
    assert written(unreadable, level="warning") == []


def test_a_fault_of_ours_has_its_traceback() -> None:
    """With the place in the code, and without the values of variables."""
    try:
        hidden = SECRET
        raise RuntimeError("boom")
    except RuntimeError as exc:
        (line,) = written(LoopFailed(service="relay", error=exc))
    assert (line["level"], line["error"]) == ("error", "RuntimeError")
    assert "Traceback" in line["exception"]
    assert "test_logs.py" in line["exception"]
    assert hidden not in line["exception"]


def test_only_the_first_failed_publish_of_an_outage_is_a_warning() -> None:
    """During an outage each task that is handed in has one."""
    failed = PublishFailed(count=1, error="away")
    published = TasksPublished(count=1, by_relay=True, queues=())
    lines = written(failed, failed, published, failed, level="debug")
    assert [line["level"] for line in lines] == ["warning", "debug", "debug", "warning"]
    assert len(written(failed, failed, published, failed, level="warning")) == 2
    assert written(failed, level="error") == []


def test_the_console_is_for_people() -> None:
    """A line with a time, a level and the same fields; no colours where there is no terminal."""
    text = printed(SETTLED)
    assert "task_settled" in text
    assert "due=2026-01-02T03:04:05.000+00:00" in text
    assert "\x1b" not in text


class FullDisk(io.BytesIO):
    """Until there is room again."""

    is_full = True

    def flush(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    """Whoever told of the event goes on; the log does so as soon as there is room."""
    stream = FullDisk()
    configure("info", "json", stream=stream)
    log = EventLog()
    log(SETTLED)
    stream.is_full = False
    log(ServiceRestored(service="redis", outage=1.0))
    assert json.loads(stream.getvalue().splitlines()[-1])["event"] == "service_restored"


def test_auto_is_json_where_there_is_no_terminal() -> None:
    """A container's log is read by machines."""
    stream = io.BytesIO()
    configure("info", "auto", stream=stream)
    structlog.get_logger().info("hello")
    assert json.loads(stream.getvalue())["event"] == "hello"


def test_warnings_of_libraries_come_out_the_same_way() -> None:
    """From WARNING on; pika's tales of a broken connection do not."""
    stream = io.BytesIO()
    configure("debug", "json", stream=stream)
    logging.getLogger("aiohttp.server").info("quiet")
    logging.getLogger("aiohttp.server").warning("bad request from %s", f"http://me:{SECRET}@h/")
    logging.getLogger("pika.adapters").error("connection reset")
    logging.getLogger("aiohttp.access").warning("GET /")
    (line,) = [json.loads(each) for each in stream.getvalue().splitlines()]
    assert (line["level"], line["logger"], line["event"]) == (
        "warning",
        "aiohttp.server",
        "bad request from http://h/",
    )


def test_a_bad_call_of_a_library_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments and odd levels are the library's matter."""
    stream = io.BytesIO()
    configure("debug", "json", stream=stream)
    logging.getLogger("odd").log(35, "between")
    logging.getLogger("odd").warning("%d", "one")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["between"]
    assert "Logging error" in capsys.readouterr().err
