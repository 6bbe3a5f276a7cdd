"""A marked secret is put wherever a task can hold one: no route, log line or metric shows it."""

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from taskrunner.domain.events import (
    Event,
    LoopFailed,
    PublishFailed,
    ServerFault,
    ServiceLost,
    TaskExpired,
    TaskSettled,
    TaskStarted,
)
from taskrunner.domain.process_events import RequestFailed
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.monitor.event_log import EventLog
from taskrunner.monitor.logs import configure
from tests.flow.api.harness import Api
from tests.tools.waiting import in_time

SECRET = "s3cretMark"
# It has no end.
STREAM = "/events"
URL = f"http://a.example/p?token={SECRET}&sig={SECRET}&page=1#access_token={SECRET}"
HEADERS = {
    "Authorization": f"Bearer {SECRET}",
    "Cookie": f"a={SECRET}",
    "X-Auth": SECRET,
    "Referer": f"http://me:{SECRET}@b.example/?jwt={SECRET}",
}
CALLBACK = {"url": f"https://hook.example/?key={SECRET}"}
TASK = {"url": URL, "method": "POST", "headers": HEADERS, "body": SECRET, "callback": CALLBACK}
DATA_TASK = {
    "executor": "resize_image",
    "data": {"api_key": SECRET, "steps": [{"password": [SECRET]}], "width": 5},
}
ANSWERED = (
    ("Set-Cookie", f"sid={SECRET}"),
    ("Location", f"/next?code={SECRET}&jwt={SECRET}"),
    ("Link", f"<https://c.example/?sig={SECRET}>; rel=next"),
    ("Refresh", f"5; url=/a?token={SECRET}"),
    ("Ocp-Apim-Subscription-Key", SECRET),
    ("WWW-Authenticate", f"Bearer {SECRET}"),
)
SCHEDULE = {"name": "s", "cron": "@daily", "task": TASK}
# Refused, with the secret in the part that is refused.
UNFIT: tuple[dict[str, Any], ...] = (
    {"url": f"ftp://me:{SECRET}@a.example/?token={SECRET}"},
    {"url": f"http://me:{SECRET}@a.example/"},
    {"url": f"http://a.example:x/?token={SECRET}"},
    {"url": f"http://a.example/ ?token={SECRET}"},
    {"url": URL, "headers": {"Authorization": f"{SECRET}\n"}},
    {"url": URL, "headers": {"Authorization": [SECRET]}},
    {"url": URL, "headers": f"Authorization: {SECRET}"},
    {"url": URL, "body": SECRET, "body_base64": SECRET},
    {"url": URL, "body_base64": f"{SECRET}!"},
    {"url": URL, "callback": {"url": f"ftp:/?key={SECRET}"}},
    {"url": URL, "callback": {**CALLBACK, "headers": {"Authorization": SECRET}}},
    {"url": URL, "callback": f"https://hook.example/?key={SECRET}"},
    {"url": URL, "tls": f"http://me:{SECRET}@a.example/"},
)


@pytest.fixture
def log(api: Api) -> Iterator[io.BytesIO]:
    """What a process writes at level debug, also what libraries say."""
    # The tests listen to the one source of events that all parts share.
    events = api.intake._events
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.BytesIO()
    configure("debug", "json", stream=stream)
    events.subscribe(EventLog("debug"))
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def further_events(task: Task) -> list[Event]:
    """What workers, services and loops tell, with errors of drivers that quote what they were given."""
    quoting = f"cannot dial redis://me:{SECRET}@h:1/0?password={SECRET} for {URL}"
    failure = ValueError(quoting)
    outcome = Outcome(kind=OutcomeKind.HTTP_ERROR, error=quoting, response=Response(status=500))
    verdict = Verdict(status=Status.FAILED, reason="in a test")
    return [
        TaskStarted(task=task, attempt=1),
        TaskSettled(task=task, attempt=1, outcome=outcome, verdict=verdict, elapsed=0.1),
        TaskExpired(id="t", attempts=1, task=task, error=quoting),
        ServiceLost(service="redis", error=quoting),
        ServerFault(service="redis", code="X", error=quoting),
        PublishFailed(count=1, error=quoting),
        LoopFailed(service="relay", error=failure),
        RequestFailed(id="r", request_id="q", method="GET", path=f"/tasks?host={URL}", error=failure),
    ]


async def event_of_all(api: Api) -> bytes:
    """What the stream of all tasks says of a task that is submitted meanwhile."""
    async with (
        api.session.get(f"http://127.0.0.1:{api.server.port}{STREAM}") as response,
        in_time("an event"),
    ):
        assert (await api.ask("POST", "/tasks", json=TASK)).status == 202
        while b"data:" not in (said := await response.content.readuntil(b"\n\n")):
            pass
        return said


async def every_operation(api: Api) -> list[tuple[str, str]]:
    """Every route with the ids and names of this test; those that delete come last."""
    found = []
    for endpoint in (await api.get("/")).json["endpoints"]:
        method, path = endpoint.split()
        if path == STREAM:
            continue
        if "/schedules/" in path:
            path = path.replace("{name}", "s")
        path = re.sub(r"\{number\}|\{attempt\}", "1", path)
        path = re.sub(r"\{[^}]*\}", "t", path)
        found.append((method, path))
    return sorted(found, key=lambda each: each[0] == "DELETE" or each[1].endswith(("delete", "purge")))


async def test_no_route_no_log_and_no_metric_shows_a_secret(api: Api, log: io.BytesIO) -> None:
    """Each route, with a good and a bad request, on a failed task, a succeeded one and a schedule."""
    answers: list[tuple[str, int, bytes]] = []

    async def ask(method: str, path: str, **options: Any) -> int:
        answer = await api.ask(method, path, **options)
        text = answer.content + repr(dict(answer.headers)).encode()
        answers.append((f"{method} {path}", answer.status, text))
        return answer.status

    for task_id, status in (("t", Status.FAILED), ("done", Status.SUCCEEDED)):
        assert await ask("POST", "/tasks", json={**TASK, "id": task_id}) == 202
        await api.finish(task_id, status, Response(status=500, headers=ANSWERED))
    assert await ask("POST", "/schedules", json=SCHEDULE) == 201
    assert await ask("PUT", "/executors/resize_image", json={"kind": "python"}) == 201
    for task_id in ("e", "waiting"):
        assert await ask("POST", "/tasks", json={**DATA_TASK, "id": task_id}) == 202
    await api.finish("e", Status.FAILED, Response(body=b"{}", size_bytes=2))
    for task_id in ("e", "waiting"):
        assert await ask("GET", f"/tasks/{task_id}") == 200
    assert await ask("POST", "/schedules", json={**SCHEDULE, "name": "e", "task": DATA_TASK}) == 201
    assert await ask("GET", "/schedules/e") == 200
    for task in UNFIT:
        assert await ask("POST", "/tasks", json=task) == 422, task
        assert await ask("POST", "/tasks/batch", json=[task]) == 200
        assert await ask("POST", "/schedules", json={**SCHEDULE, "name": "u", "task": task}) == 422
    answers.append((f"GET {STREAM}", 200, await event_of_all(api)))
    record = await api.store.get("t")
    assert record is not None
    for event in further_events(record.task):
        api.intake._events.emit(event)
    for form in ("har", "curl"):
        assert await ask("GET", f"/tasks/t/attempts/1?format={form}") == 200
    assert await ask("PATCH", "/schedules/s", json={"task": {"headers": {"X-Auth": SECRET}}}) == 200
    for method, path in await every_operation(api):
        await ask(method, path)
        await ask(method, f"{path}?token={SECRET}")
        await ask(method, path, data=f'{{"{SECRET}": "http://me:{SECRET}@a.example/"', headers=HEADERS)
    await ask("GET", f"/no/{SECRET}?token={SECRET}", headers={"Host": f"me:{SECRET}@a.example"})

    logged = log.getvalue()
    for name in ("tasks_accepted", "task_started", "task_settled", "service_lost", "request_failed"):
        assert f'"event":"{name}"'.encode() in logged
    seen = [*answers, *(("the log", 0, line) for line in logged.splitlines())]
    assert any(path.endswith("/metrics") and status == 200 for path, status, _ in answers)
    marks = [(path, status, text) for path, status, text in seen if SECRET.encode() in text]
    assert marks == []
