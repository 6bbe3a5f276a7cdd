"""What operators ask: health, readiness, statistics, metrics, dead letters, the index."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskrunner.api.app import build_monitor_app
from taskrunner.api.http.server import WebServer
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.status import Status
from taskrunner.monitor.health import Health
from taskrunner.monitor.metrics import Metrics
from taskrunner.monitor.stats import Stats
from taskrunner.stores.base import SnoozeRequest
from tests.flow.api.harness import Api, open_access, unused_trail


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_with_everything_up_all_is_well(api: Api, prefix: str) -> None:
    health = await api.get(f"{prefix}/health")
    assert (health.status, health.json["status"]) == (200, "ok")
    assert health.json["checks"].keys() == {"redis", "rabbitmq"}
    assert all(check["ok"] and check["since"].endswith("Z") for check in health.json["checks"].values())
    for path in ("/livez", "/readyz", "/stats", "/metrics", "/"):
        assert (await api.get(prefix + path)).status == 200


async def test_with_the_broker_away_we_are_degraded_but_ready(api: Api) -> None:
    """`serve` still accepts tasks then, so a load balancer must go on sending them."""
    api.broker.disconnect("cable cut")
    health = await api.get("/health")
    assert (health.status, health.json["status"]) == (503, "degraded")
    assert health.json["checks"]["rabbitmq"]["ok"] is False
    assert (await api.get("/readyz")).status == 200
    stats = (await api.get("/stats")).json
    assert stats["queues"] is None
    assert "disconnected" in stats["errors"]["queues"]
    api.broker.reconnect()
    assert (await api.get("/health")).status == 200


async def test_with_the_store_away_we_are_alive_but_not_ready(api: Api) -> None:
    api.redis.connected = False
    await api.submit()
    ready = await api.get("/readyz")
    assert (ready.status, ready.json["status"]) == (503, "not ready")
    assert ready.json["reasons"][0].startswith("redis: ")
    assert (await api.get("/health")).json["checks"]["redis"]["error"]
    assert (await api.get("/livez")).status == 200
    assert (await api.get("/stats")).json["counts"] is None
    assert (await api.get("/metrics")).status == 200


async def test_a_closed_gate_is_not_ready_whatever_the_checks_say(api: Api) -> None:
    api.health.close("stopping")
    ready = await api.get("/readyz")
    assert (ready.status, ready.json["reasons"]) == (503, ["stopping"])
    assert (await api.get("/health")).status == 200


async def test_stats_tell_depths_counts_and_rates(api: Api) -> None:
    await api.submit(priority="high")
    await api.submit(delay=60)
    stats = (await api.get("/stats")).json
    ready = {name: each["ready"] for name, each in stats["queues"].items() if name != "total"}
    assert (ready, stats["queues"]["total"]) == ({"high": 1, "medium": 0, "low": 0}, 1)
    assert {each["consumers"] for each in stats["queues"].values() if each != 1} == {0}
    assert stats["oldest"].keys() == {"high"}
    assert (stats["counts"]["queued"], stats["counts"]["scheduled"]) == (1, 1)
    assert set(stats["stuck"].values()) == {0}
    assert stats["rates"]["accepted"].keys() == {"1s", "10s", "60s"}
    assert stats["reconnects"] == {"memory broker": 0, "redis": 0}
    assert stats["errors"] == {}


async def test_stuck_tasks_are_counted(api: Api) -> None:
    """One that was due a minute ago, and that no relay has seen to."""
    submitted = await api.submit(delay=60)
    task_id = submitted.json["id"]
    due = datetime.now(UTC) - timedelta(minutes=1)
    await api.store.snooze([SnoozeRequest(id=task_id, attempt=1, due=due)], now=due)
    assert (await api.get("/stats")).json["stuck"]["scheduled"] == 1
    lines = (await api.get("/metrics")).content.decode().splitlines()
    assert 'taskrunner_stuck_tasks{status="scheduled"} 1.0' in lines
    assert 'taskrunner_due_tasks{status="scheduled"} 1.0' in lines


async def test_metrics_are_text_for_prometheus(api: Api) -> None:
    await api.submit()
    answer = await api.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.content.decode().splitlines()
    assert "taskrunner_accepted_total 1.0" in lines
    assert 'taskrunner_queue_ready{queue="medium"} 1.0' in lines
    assert 'taskrunner_queue_consumers{queue="medium"} 0.0' in lines
    assert 'taskrunner_check_ok{check="redis"} 1.0' in lines


async def test_requests_are_counted_by_the_pattern_of_their_route(api: Api) -> None:
    """Under both prefixes, and with refusals; all paths that do not exist are one."""
    submitted = (await api.submit()).json["id"]
    for path in (f"/tasks/{submitted}", f"/api/v1/tasks/{submitted}", "/tasks/nobodys", "/tasks?color=red"):
        await api.get(path)
    for path in ("/nowhere/1", "/nowhere/2"):
        await api.get(path)
    text = (await api.get("/metrics")).content.decode()
    families = {each.name: each for each in text_string_to_metric_families(text)}
    counted = {tuple(each.labels.values()): each.value for each in families["taskrunner_requests"].samples}
    assert counted == {
        ("POST", "/tasks", "202"): 1,
        ("GET", "/tasks/{id}", "200"): 2,
        ("GET", "/tasks/{id}", "404"): 1,
        ("GET", "/tasks", "400"): 1,
        ("(other)", "(other)", "404"): 2,
    }
    counts = [each for each in families["taskrunner_request_seconds"].samples if each.name.endswith("_count")]
    assert sum(each.value for each in counts) == 7


async def test_the_index_lists_what_there_is(api: Api) -> None:
    endpoints = (await api.get("/")).json["endpoints"]
    assert {"POST /tasks", "GET /tasks/{id}/body", "GET /health"} <= set(endpoints)
    assert (await api.ask("HEAD", "/health")).content == b""


async def failed_task(api: Api) -> str:
    task_id: str = (await api.submit()).json["id"]
    await api.finish(task_id, Status.FAILED)
    return task_id


async def test_a_failed_task_is_a_dead_letter_and_can_be_requeued(api: Api) -> None:
    task_id = await failed_task(api)
    (letter,) = (await api.get("/dead-letters")).json["dead_letters"]
    assert (letter["id"], letter["kind"], letter["error"]) == (task_id, "task", "answered 500")
    assert letter["task_url"] == f"/tasks/{task_id}"
    answer = await api.ask("POST", f"/api/v1/dead-letters/{task_id}/requeue")
    assert (answer.status, answer.headers["Location"]) == (202, f"/api/v1/tasks/{task_id}")
    assert (answer.json["id"], answer.json["attempt"]) == (task_id, 1)
    assert answer.json["status"] in {"scheduled", "queued"}
    again = await api.ask("POST", f"/dead-letters/{task_id}/requeue")
    assert again.status in {404, 409}
    assert (await api.get("/dead-letters")).json == {"dead_letters": [], "next_cursor": None}


def message(letter_id: str, raw: bytes) -> DeadLetter:
    return DeadLetter(
        id=letter_id,
        kind=DeadLetterKind.MESSAGE,
        reason="rejected",
        error="no JSON",
        died_at=datetime.now(UTC),
        queue="low",
        raw=raw,
        x_death='[{"count": 1}]',
    )


async def test_a_message_is_shown_byte_for_byte(api: Api) -> None:
    await api.store.add_dead_messages([message("m1", b"\xff\x00"), message("m2", b'{"url":')], retention=60)
    binary, text = [(await api.get(f"/dead-letters/{name}")).json for name in ("m1", "m2")]
    assert base64.b64decode(binary["raw_base64"]) == b"\xff\x00"
    assert binary["raw_text"] is None
    assert (text["raw_text"], text["x_death"], text["task_url"]) == ('{"url":', [{"count": 1}], None)
    await api.refusal(409, "state_conflict", "POST", "/dead-letters/m2/requeue")
    await api.refusal(404, "task_unknown", "POST", "/dead-letters/m3/requeue")


async def test_dead_letters_are_listed_page_by_page(api: Api) -> None:
    ids = {await failed_task(api) for _ in range(3)}
    await api.store.add_dead_messages([message("m1", b"x")], retention=60)
    found: list[str] = []
    cursor = ""
    for _ in range(4):
        page = (await api.get(f"/dead-letters?limit=1{cursor}")).json
        found += [letter["id"] for letter in page["dead_letters"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert set(found) == {*ids, "m1"}
    assert len(found) == 4


@pytest.mark.parametrize("query", ["limit=x", "cursor=%00", "cursor=nonsense", "status=failed"])
async def test_a_bad_query_for_dead_letters_is_refused(api: Api, query: str) -> None:
    await api.refusal(400, "bad_query", "GET", f"/dead-letters?{query}")


async def test_a_consumer_answers_operators_and_nobody_else() -> None:
    clock = SystemClock()

    def workers() -> Any:
        return {"total": 5, "busy": 1, "min": 5, "max": 50, "target": 5, "last_decision": "stay at 5"}

    app = build_monitor_app(
        health=Health(clock),
        stats=Stats({"workers": workers}, clock, Events()),
        metrics=Metrics(clock, ExecutorSource()),
        access=open_access(),
        trail=unused_trail(),
    )
    server = WebServer(app, "127.0.0.1", 0, events=Events())
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as session:
        stats = await (await session.get(f"{base}/stats")).json()
        assert stats["workers"]["target"] == 5
        assert 'taskrunner_workers{kind="busy"} 1.0' in await (await session.get(f"{base}/metrics")).text()
        ready = await session.get(f"{base}/readyz")
        assert (ready.status, (await ready.json())["reasons"]) == (503, ["starting"])
        missing = await session.post(f"{base}/tasks")
        assert (missing.status, missing.content_type) == (404, "application/problem+json")
    await server.stop()
