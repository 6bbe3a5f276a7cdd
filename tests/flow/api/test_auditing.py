"""What is recorded of requests that change something, and how it is found again."""

from typing import Any

import pytest

from taskrunner.api.auth.audited import UNAUDITED, action_of, is_audited
from taskrunner.api.auth.scopes import ROUTES
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.process_events import AuditLost, RequestDenied
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.schedule_admin import ScheduleAdmin
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

LIMIT = {"concurrency": 2}
CRON = {"name": "s", "cron": "0 4 * * *", "task": {"url": "http://example.com/"}}


@pytest.fixture
async def boss(api: Api) -> dict[str, str]:
    return bearer(await api.make_key("boss", Scope.ADMIN))


async def prepare(api: Api, boss: dict[str, str]) -> None:
    """Three live tasks, two failed ones, a schedule, a limit and a pause."""
    for task_id in ("a", "b", "c", "red", "pale"):
        labels = {"team": "x"} if task_id != "c" else {}
        body = {"url": "http://example.com/", "id": task_id, "labels": labels}
        assert (await api.ask("POST", "/tasks", json=body, headers=boss)).status == 202
    for task_id in ("red", "pale"):
        await api.finish(task_id, Status.FAILED)
    schedules = ScheduleAdmin(api.store, api.intake, api.clock)
    await schedules.create("s", ScheduleDraft.from_fields(CRON, schedules.limits))
    await api.store.change_host_limit("h.test", b'{"concurrency":1}', expected=None)
    await api.store.pause("queue:low", now=api.clock.now())


async def audit(api: Api, boss: dict[str, str], query: str = "") -> Any:
    answer = await api.ask("GET", f"/audit{query}", headers=boss)
    assert answer.status == 200, answer.content
    return answer.json["entries"]


@pytest.mark.parametrize(
    ("method", "path", "body", "action", "target", "count"),
    [
        ("POST", "/tasks/a/cancel", None, "tasks.cancel", "a", 1),
        ("DELETE", "/tasks/a", None, "tasks.delete", "a", 1),
        ("POST", "/dead-letters/red/requeue", None, "dead-letters.requeue", "red", 1),
        ("DELETE", "/dead-letters/red", None, "dead-letters.delete", "red", 1),
        ("DELETE", "/schedules/s", None, "schedules.delete", "s", 1),
        ("POST", "/schedules/s/pause", None, "schedules.pause", "s", 1),
        ("POST", "/schedules", {**CRON, "name": "t"}, "schedules.create", "t", 1),
        ("PUT", "/schedules/s", {**CRON, "cron": "0 5 * * *"}, "schedules.set", "s", 1),
        ("PATCH", "/schedules/s", {"cron": "0 5 * * *"}, "schedules.change", "s", 1),
        ("POST", "/hosts/h.test/reset", None, "hosts.reset", "h.test", 1),
        ("PUT", "/hosts/h.test/limit", LIMIT, "hosts.limit.set", "h.test", 1),
        ("PATCH", "/hosts/h.test/limit", LIMIT, "hosts.limit.change", "h.test", 1),
        ("DELETE", "/hosts/h.test/limit", None, "hosts.limit.delete", "h.test", 1),
        ("POST", "/pause?queue=high&label=a", None, "pause", "queue=high label=a", 2),
        ("POST", "/resume?queue=high&queue=low", None, "resume", "queue=high queue=low", 1),
        ("POST", "/keys", {"name": "new", "scopes": ["read"]}, "keys.create", "new", 1),
        ("POST", "/keys/boss/rotate", {"grace": 60}, "keys.rotate", "boss", 1),
        ("PATCH", "/keys/boss", {"rate": "500/s"}, "keys.change", "boss", 1),
        ("POST", "/api/v1/tasks/a/cancel", None, "tasks.cancel", "a", 1),
    ],
)
async def test_a_change_is_recorded(
    api: Api, boss: dict[str, str], method: str, path: str, body: Any, action: str, target: str, count: int
) -> None:
    """Who, what, to how many, when, from where; submits are not."""
    await prepare(api, boss)
    headers = {**boss, "X-Request-Id": "r-7"}
    options = {} if body is None else {"json": body}
    assert (await api.ask(method, path, headers=headers, **options)).status < 300
    [entry] = await audit(api, boss)
    assert (entry["action"], entry["target"], entry["count"]) == (action, target, count)
    assert (entry["source"], entry["key"], entry["origin"]) == ("api", "boss", "127.0.0.1")
    assert entry["request_id"] == "r-7"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tasks/none/cancel"),
        ("POST", "/tasks/red/cancel"),
        ("DELETE", "/hosts/none.test/limit"),
        ("POST", "/resume?queue=high"),
        ("POST", "/keys/none/revoke"),
        ("POST", "/schedules/s/run"),
        ("GET", "/keys"),
    ],
)
async def test_what_changes_nothing_is_not_recorded(
    api: Api, boss: dict[str, str], method: str, path: str
) -> None:
    """Dry runs, refusals, actions that found nothing, reads and submits."""
    await prepare(api, boss)
    await api.ask(method, path, headers=boss)
    assert await audit(api, boss) == []


async def test_refused_attempts_are_counted(api: Api, boss: dict[str, str]) -> None:
    """Anybody can make as many as they like: they are no entries."""
    reader = bearer(await api.make_key("reader", Scope.READ))
    await api.refusal(401, "key_missing", "POST", "/tasks/a/cancel")
    await api.refusal(403, "scope_missing", "POST", "/tasks/a/cancel", headers=reader)
    await api.refusal(403, "scope_missing", "GET", "/audit", headers=reader)
    assert [event.status for event in api.events if isinstance(event, RequestDenied)] == [401, 403, 403]
    assert await audit(api, boss) == []
    totals = (await api.ask("GET", "/metrics", headers=boss)).content.decode()
    assert "taskrunner_unauthenticated_total 1.0" in totals
    assert "taskrunner_forbidden_total 2.0" in totals


async def test_an_entry_that_is_lost_undoes_nothing(
    api: Api, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is that of the action, and the event has the whole entry."""
    await prepare(api, boss)

    async def fail(_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(api.store, "append_audit", fail)
    assert (await api.ask("POST", "/tasks/a/cancel", headers=boss)).status == 200
    [lost] = [event for event in api.events if isinstance(event, AuditLost)]
    assert (lost.entry.action, lost.entry.target, lost.entry.count) == ("tasks.cancel", "a", 1)


async def test_an_action_that_fails_is_recorded(
    api: Api, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows how many it changed before."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(api.store, "cancel", fail)
    await prepare(api, boss)
    assert (await api.ask("POST", "/tasks/a/cancel", headers=boss)).status == 503
    [entry] = await audit(api, boss)
    assert (entry["action"], entry["count"]) == ("tasks.cancel", None)


async def test_the_id_is_that_of_the_store(api: Api, boss: dict[str, str]) -> None:
    """A key that sees only its own names its tasks by shorter ids than whoever reads the audit."""
    own = bearer(await api.make_key("own", Scope.SUBMIT, Scope.OPERATE))
    await api.ask("POST", "/tasks", json={"url": "http://example.com/", "id": "a"}, headers=own)
    assert (await api.ask("POST", "/tasks/a/cancel", headers=own)).status == 200
    [entry] = await audit(api, boss)
    assert (entry["key"], entry["target"]) == ("own", "own~a")


async def test_secrets_are_masked(api: Api, boss: dict[str, str]) -> None:
    """The value of a label whose name suggests one."""
    body = {"url": "http://example.com/", "labels": {"token": "s3cret"}}
    await api.ask("POST", "/tasks", json=body, headers=boss)
    asked = {"action": "cancel", "filter": {"label": ["token=s3cret"]}}
    made = await api.ask("POST", "/operations", json=asked, headers=boss)
    [entry] = await audit(api, boss, "?action=operations")
    assert entry["target"] == f"{made.json['id']}: cancel tasks 'label=token=***'"
    assert made.json["filter"] == {"label": ["token=***"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("?key=boss", 2),
        ("?key=other", 1),
        ("?key=none", 0),
        ("?action=tasks", 2),
        ("?action=tasks.cancel", 2),
        ("?action=task", 0),
        ("?action=pause&key=other", 0),
        ("?since=1h", 3),
        ("?until=1h", 0),
        ("?since=2000-01-01T00:00:00%2B02:00&until=2100-01-01T00:00:00Z", 3),
    ],
)
async def test_entries_are_found_by_conditions(
    api: Api, boss: dict[str, str], query: str, found: int
) -> None:
    other = bearer(await api.make_key("other", Scope.ADMIN))
    await prepare(api, boss)
    await api.ask("POST", "/tasks/a/cancel", headers=boss)
    await api.ask("POST", "/tasks/b/cancel", headers=other)
    await api.ask("POST", "/pause?queue=high", headers=boss)
    assert len(await audit(api, boss, query)) == found


async def test_pages_follow_each_other(api: Api, boss: dict[str, str]) -> None:
    """The newest first, each once."""
    await prepare(api, boss)
    for task_id in ("a", "b", "c"):
        await api.ask("POST", f"/tasks/{task_id}/cancel", headers=boss)
    targets, cursor = [], ""
    while True:
        answer = (await api.ask("GET", f"/audit?limit=1&action=tasks{cursor}", headers=boss)).json
        targets += [entry["target"] for entry in answer["entries"]]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert sorted(targets) == ["a", "b", "c"]


@pytest.mark.parametrize("query", ["since=x", "until=2030-01-01", "what=1", "key=a&key=b", "limit=0"])
async def test_a_wrong_query_is_refused(api: Api, boss: dict[str, str], query: str) -> None:
    await api.refusal(400, "bad_query", "GET", f"/audit?{query}", headers=boss)


def test_each_route_that_changes_something_has_an_action() -> None:
    """Two routes share one only if they do the same, to one or to many."""
    actions = {route: action_of(*route) for route in ROUTES if is_audited(*route)}
    assert all(actions.values())
    assert actions["POST", "/keys"] == "keys.create"
    assert {route for route in ROUTES if not is_audited(*route) and route[0] != "GET"} == UNAUDITED
    assert not any(is_audited("GET", path) for method, path in ROUTES if method == "GET")
