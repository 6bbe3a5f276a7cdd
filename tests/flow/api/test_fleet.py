"""Queues, workers and history over HTTP: what all tasks together do, for keys that see all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.fleet.figures import Figures
from taskrunner.domain.fleet.worker_report import RunningAttempt, WorkerProcessReport, WorkerReport
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import StoredFigures
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

PARTS = {"queues", "workers", "points", "hosts", "failures"}
PATHS = ["/queues", "/queues/low", "/workers", "/stats/history", "/overview"]


async def report(
    api: Api, figures: list[StoredFigures] | None = None, *, workers: bool = False, **changes: Any
) -> None:
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "id": "c-1",
        "host": "box",
        "pid": 7,
        "version": "1",
        "since": now - timedelta(hours=1),
        "reported_at": now,
        "queues": ("high", "low"),
        "threads": 5,
        "busy": 1,
        "min_threads": 5,
        "max_threads": 50,
        "target": 6,
        "last_decision": "queue depth 10",
        "backlog": 3,
        "in_flight": 1,
        "processes": (WorkerProcessReport(pid=8, losses=0, last_loss=None),),
        "running": (
            RunningAttempt(
                task_id="mine~x",
                attempt=2,
                queue="low",
                host="a.test",
                executor="ship",
                since=now - timedelta(seconds=9),
            ),
        ),
    }
    made = WorkerReport(**(fields | changes)) if workers else None
    await api.store.report(made, figures or [], now=now, until=now + timedelta(seconds=60))


def figures(at: int, process: str, count: int, *, seconds: int = 1, **more: Any) -> StoredFigures:
    counted = Figures(
        submitted=count, started=count, published={"low": count}, begun={"low": count, "high": 1}, **more
    )
    return StoredFigures(seconds=seconds, start=at, process=process, figures=counted)


async def test_workers_say_what_they_run(api: Api) -> None:
    """Each consumer with its threads, and for how long each attempt has run."""
    assert (await api.get("/workers")).json == {"workers": []}
    await report(api, workers=True)
    await report(api, workers=True, id="c-2", running=(), in_flight=0)
    first, second = (await api.get("/workers")).json["workers"]
    assert (first["id"], second["id"], first["threads"], first["target"]) == ("c-1", "c-2", 5, 6)
    assert first["processes"] == [{"pid": 8, "losses": 0, "last_loss": None}]
    (attempt,) = first["running"]
    assert attempt["executor"] == "ship"
    assert (attempt["task_id"], attempt["attempt"], attempt["host"]) == ("mine~x", 2, "a.test")
    assert attempt["seconds"] == pytest.approx(9, abs=0.1)
    assert second["running"] == []


async def test_queues_say_how_full_they_are(api: Api) -> None:
    """Messages, the oldest task, rates, who serves it, and who paused it."""
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    task = {"url": "http://example.com/", "priority": "low"}
    await api.ask("POST", "/tasks", json=task, headers=boss)
    await api.ask("POST", "/pause?queue=low", headers=boss)
    now = int(datetime.now(UTC).timestamp())
    seconds = [figures(now - ago, process, 2) for ago in range(20) for process in ("a", "b")]
    await report(api, seconds, workers=True)

    answer = await api.ask("GET", "/queues", headers=boss)

    queues = {each["name"]: each for each in answer.json["queues"]}
    assert set(queues) == set(DEFAULT_QUEUES)
    low, medium = queues["low"], queues["medium"]
    assert (low["ready"], low["served_by"], medium["served_by"]) == (1, ["c-1"], [])
    assert 0 <= low["oldest_age"] < 60
    assert medium["oldest_age"] is None
    assert low["rate_in"] == pytest.approx(4, abs=0.5)
    assert (low["paused"]["scope"], low["paused"]["by"], medium["paused"]) == ("queue:low", "boss", None)
    one = await api.ask("GET", "/queues/low", headers=boss)
    assert one.json.keys() == low.keys()
    assert one.json["ready"] == 1


async def test_the_whole_pause_holds_each_queue(api: Api) -> None:
    await api.ask("POST", "/pause?all=true")
    queues = (await api.get("/queues")).json["queues"]
    assert {each["paused"]["scope"] for each in queues} == {"all"}


async def test_queues_are_shown_without_the_broker(api: Api) -> None:
    """What only the broker knows is null."""
    await api.broker.publish([Publication(queue="low", body=b"{}", task_id="x")])
    await api.broker.stop()
    queues = (await api.get("/queues")).json["queues"]
    assert {(each["ready"], each["consumers"]) for each in queues} == {(None, None)}


async def test_history_adds_up_processes(api: Api) -> None:
    """In order, with gaps where nobody reported, and percentiles of all."""
    now = int(datetime.now(UTC).timestamp())
    counts = (0,) * 3 + (98, 0, 0, 2) + (0,) * 9
    await report(
        api,
        [
            figures(now - 9, "a", 1, depth=4, workers=5, durations=counts),
            figures(now - 9, "b", 2, depth=3, workers=6),
            figures(now - 5, "a", 3),
            figures(now - 3600, "a", 7),
        ],
    )
    history = (await api.get("/stats/history?resolution=1s")).json
    assert history["resolution"] == 1
    first, second = history["points"]
    assert datetime.fromisoformat(first["at"]).timestamp() == now - 9
    assert (first["submitted"], first["depth"], first["workers"]) == (3, 4, 11)
    assert (first["p50"], first["p95"], first["p99"]) == (0.05, 0.05, 0.5)
    assert (second["submitted"], second["depth"], second["p50"]) == (3, None, None)


async def test_history_has_minutes_of_a_day(api: Api) -> None:
    now = int(datetime.now(UTC).timestamp())
    minute = now - now % 60
    places = [minute - ago * 60 for ago in (0, 1, 59, 1439, 1440, 2000)]
    await report(api, [figures(each, "a", 1, seconds=60) for each in places])
    history = (await api.get("/stats/history?resolution=1m")).json
    assert [datetime.fromisoformat(each["at"]).timestamp() for each in history["points"]] == places[3::-1]
    hour = (await api.get("/stats/history?resolution=1m&since=1h")).json
    assert len(hour["points"]) == 3
    at = datetime.fromtimestamp(minute - 60, UTC).isoformat()
    assert len((await api.get(f"/stats/history?resolution=1m&since={at}")).json["points"]) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("resolution=2s", "resolution"),
        ("since=yesterday", "since"),
        ("until=1h", "until"),
        ("since=1h&since=2h", "since"),
    ],
)
async def test_a_wrong_question_is_refused(api: Api, query: str, field: str) -> None:
    problem = await api.refusal(400, "bad_query", "GET", f"/stats/history?{query}")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_an_unknown_queue_is_a_problem(api: Api) -> None:
    problem = await api.refusal(404, "queue_unknown", "GET", "/queues/hihg")
    assert 'did you mean "high"?' in problem["detail"]


@pytest.mark.parametrize("path", PATHS)
async def test_who_sees_only_its_own_sees_none_of_it(api: Api, path: str) -> None:
    """Numbers and ids tell what others do."""
    mine = bearer(await api.make_key("mine", Scope.SUBMIT, Scope.READ, Scope.OPERATE))
    await report(api, workers=True)
    problem = await api.refusal(403, "scope_missing", "GET", path, headers=mine)
    assert "read:all" in problem["detail"]
    reader = bearer(await api.make_key("reader", Scope.READ, Scope.READ_ALL))
    assert (await api.ask("GET", path, headers=reader)).status == 200


async def test_the_overview_has_everything_at_once(api: Api) -> None:
    """The same as the routes of its parts, and what the newest failed tasks have in common."""
    await report(api, workers=True)
    for number, host in enumerate(("a.test", "b.test", "b.test")):
        made = (await api.submit(id=f"f{number}", url=f"http://{host}/")).json["id"]
        await api.finish(made, Status.FAILED)
    overview = (await api.get("/overview?resolution=1s&since=1m")).json
    (worker,) = (await api.get("/workers")).json["workers"]
    assert overview["workers"] == [{**worker, "running": []}]
    assert [each["name"] for each in overview["queues"]] == ["high", "medium", "low"]
    assert overview["resolution"] == 1
    failures = overview["failures"]
    assert failures["looked_at"] == 3
    assert failures["hosts"] == [{"name": "b.test", "count": 2}, {"name": "a.test", "count": 1}]
    assert failures["outcomes"] == [{"name": "http_error", "count": 3}]
    assert overview["missing"] == {}


@pytest.mark.parametrize(
    ("calls", "lost"),
    [
        (["live_hosts"], {"hosts"}),
        (["host_limits"], {"hosts"}),
        (["list_tasks"], {"failures"}),
        (["worker_reports"], {"workers", "queues"}),
        (["figures"], {"queues", "points"}),
        (["live_hosts", "list_tasks", "worker_reports", "figures"], PARTS),
    ],
)
async def test_a_part_of_the_overview_fails_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch, calls: list[str], lost: set[str]
) -> None:
    """The answer says which part is missing and why; the health of the dependencies is always there."""

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store is away")

    for name in calls:
        monkeypatch.setattr(api.store, name, away)
    overview = (await api.get("/overview")).json
    assert set(overview["missing"]) == lost
    assert set(overview["missing"].values()) == {"the store is away"}
    assert {name for name in PARTS if overview[name] is None} == lost
    assert overview["checks"]
