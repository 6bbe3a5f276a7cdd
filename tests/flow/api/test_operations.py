"""Operations over HTTP: made, followed, listed, aborted; a key sees and changes only its own."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from taskrunner.producer import operation_admin
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.tools.waiting import eventually

OWN = (Scope.SUBMIT, Scope.READ, Scope.OPERATE)
Keys = dict[str, dict[str, str]]
LIVE = {"waiting", "running", "aborting"}


@pytest.fixture
async def keys(api: Api) -> Keys:
    """Two keys that see only their own, and one that sees all."""
    scopes = {"mine": OWN, "theirs": OWN, "boss": (Scope.ADMIN,)}
    return {name: bearer(await api.make_key(name, *given)) for name, given in scopes.items()}


async def make(api: Api, key: dict[str, str] | None = None, **fields: Any) -> Answer:
    return await api.ask("POST", "/operations", json=fields, headers=key or {})


async def ended(api: Api, made: Answer, key: dict[str, str] | None = None) -> Any:
    """The operation after its end."""
    assert made.status == 202, made.content
    path = made.headers["Location"]
    assert path.endswith(f"/operations/{made.json['id']}")

    async def look() -> Any:
        answer = await api.ask("GET", path, headers=key or {})
        assert answer.status == 200, answer.content
        return None if answer.json["status"] in LIVE else answer

    await eventually(look)
    return (await look()).json


async def tasks(api: Api, key: dict[str, str], count: int = 3, **fields: Any) -> list[str]:
    found = []
    for _ in range(count):
        sent = {"url": "http://example.com/", "delay": 600, **fields}
        found.append((await api.ask("POST", "/tasks", json=sent, headers=key)).json["id"])
    return found


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_an_operation_runs_in_the_background(api: Api, prefix: str) -> None:
    """202 with its place; there, its progress and its end."""
    ids = await tasks(api, {}, labels={"a": "1"})
    fields = {"action": "cancel", "filter": {"label": ["a=1"], "created_before": "0s"}, "limit": 50.0}
    made = await api.ask("POST", f"{prefix}/operations", json=fields)
    assert made.json["status"] in {"waiting", "running"}
    assert made.headers["Location"] == f"{prefix}/operations/{made.json['id']}"

    operation = await ended(api, made)

    assert operation["status"] == "completed"
    assert operation["filter"] == {"label": ["a=1"], "created_before": ["0s"]}
    assert [operation[name] for name in ("matched", "done", "skipped", "failed")] == [3, 3, 0, 0]
    assert [operation[name] for name in ("ids", "ids_count", "made_by", "error")] == [None] * 4
    assert operation["created_at"] <= operation["started_at"] <= operation["ended_at"]
    assert [(await api.get(f"/tasks/{each}")).json["status"] for each in ids] == ["cancelled"] * 3


async def test_each_action_does_what_it_says(api: Api) -> None:
    ids = await tasks(api, {}, delay=0)
    for each in ids:
        await api.finish(each, Status.FAILED)
    letters: dict[str, Any] = {"resource": "dead-letters", "all": True}
    counted = await ended(api, await make(api, action="delete", dry_run=True, **letters))
    assert (counted["matched"], counted["done"]) == (3, 0)
    again = await ended(api, await make(api, action="requeue", ids=ids[:1]))
    assert (again["done"], (await api.get(f"/tasks/{ids[0]}")).json["status"]) == (1, "queued")
    deleted = await ended(api, await make(api, action="delete", **letters))
    assert deleted["done"] == 2
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{ids[1]}")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "action"),
        ({"action": "explode", "all": True}, "action"),
        ({"action": "cancel"}, ""),
        ({"action": "cancel", "filter": {}}, "filter"),
        ({"action": "cancel", "filter": {"label": []}}, "filter.label"),
        ({"action": "cancel", "filter": {"label": [], "queue": "low"}}, "filter.label"),
        ({"action": "cancel", "filter": {}, "ids": ["a"]}, "filter"),
        ({"action": "cancel", "filter": None}, ""),
        ({"action": "cancel", "all": False}, ""),
        ({"action": "cancel", "all": True, "filter": {"queue": "low"}}, ""),
        ({"action": "cancel", "all": True, "ids": ["a"]}, ""),
        ({"action": "cancel", "ids": []}, "ids"),
        ({"action": "cancel", "ids": ["a"] * 1001}, "ids"),
        ({"action": "cancel", "ids": ["a", "b/c"]}, "ids.1"),
        ({"action": "cancel", "ids": ["a"], "limit": 1}, "limit"),
        ({"action": "cancel", "all": True, "limit": 0}, "limit"),
        ({"action": "cancel", "all": True, "limit": 1.5}, "limit"),
        ({"action": "cancel", "all": True, "rate": 0}, "rate"),
        ({"action": "cancel", "all": True, "rate": "fast"}, "rate"),
        ({"action": "cancel", "all": True, "stop_at": {}}, "stop_at"),
        ({"action": "cancel", "all": True, "stop_at": {"percent": 1, "failures": 1}}, "stop_at"),
        ({"action": "cancel", "all": True, "stop_at": {"percent": 101}}, "stop_at.percent"),
        ({"action": "requeue", "all": True, "stop_at": {"failures": 1}}, "stop_at"),
        ({"action": "cancel", "all": True, "resource": "dead-letters"}, "action"),
        ({"action": "cancel", "all": True, "dry_run": "yes"}, "dry_run"),
        ({"action": "cancel", "all": True, "stop": 1}, "stop"),
        ({"action": "cancel", "filter": {"status": "failed"}}, "filter.status"),
        ({"action": "requeue", "filter": {"status": "queued"}}, "filter.status"),
        ({"action": "cancel", "filter": {"statos": "queued"}}, "filter.statos"),
        ({"action": "cancel", "filter": {"namespace": "theirs~"}}, "filter.namespace"),
        ({"action": "cancel", "filter": {"queue": ["low", "high"]}}, "filter.queue"),
        ({"action": "cancel", "filter": {"created_before": "yesterday"}}, "filter.created_before"),
        ({"action": "cancel", "filter": {"label": ["=x"]}}, "filter.label"),
        ({"action": "delete", "resource": "dead-letters", "filter": {"status": "failed"}}, "filter.status"),
    ],
)
async def test_what_is_not_clearly_meant_is_refused(api: Api, fields: dict[str, Any], field: str) -> None:
    """With the name of the field; nothing is made."""
    problem = await api.refusal(422, "operation_invalid", "POST", "/operations", json=fields)
    assert field in {error["field"] for error in problem["errors"]}
    assert (await api.get("/operations")).json == {"operations": [], "next_cursor": None}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"action": "cancel", "action": "delete"}', b"\xff"])
async def test_what_is_no_object_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.ask("POST", "/operations", data=body, headers=headers)
    assert answer.status in {400, 422}
    assert answer.json["code"] in {"bad_json", "operation_invalid"}


async def test_an_operation_is_aborted(api: Api) -> None:
    """It ends soon; another abort is a conflict."""
    await tasks(api, {})
    made = await make(api, action="cancel", all=True, rate=0.01)
    path = f"/operations/{made.json['id']}/abort"
    answer = await api.ask("POST", path)
    assert (answer.status, answer.json["status"]) == (202, "aborting")
    operation = await ended(api, made)
    assert (operation["status"], operation["done"] <= 1) == ("aborted", True)
    problem = await api.refusal(409, "state_conflict", "POST", path)
    assert "it is aborted" in problem["detail"]


@pytest.mark.parametrize("name", ["x", "0199aaaa-0000-7000-8000-000000000000", "abort"])
async def test_an_unknown_operation_is_a_problem(api: Api, name: str) -> None:
    await api.refusal(404, "operation_unknown", "GET", f"/operations/{name}")
    await api.refusal(404, "operation_unknown", "POST", f"/operations/{name}/abort")


async def test_pages_have_each_once_the_newest_first(api: Api) -> None:
    made = [(await make(api, action="cancel", all=True, dry_run=True)).json["id"] for _ in range(5)]
    found, query = [], ""
    for _ in range(3):
        page = (await api.get(f"/operations?limit=2{query}")).json
        found += [each["id"] for each in page["operations"]]
        query = f"&cursor={page['next_cursor']}"
    assert (found, page["next_cursor"]) == (sorted(made, reverse=True), None)


async def test_the_audit_has_the_start_and_the_sum(api: Api, keys: Keys) -> None:
    """Who made it did what it does; an abort is an entry of its own."""
    await tasks(api, keys["theirs"])
    made = await make(api, keys["theirs"], action="cancel", all=True)
    await ended(api, made, keys["theirs"])
    page = await api.ask("GET", "/audit", headers=keys["boss"])
    entries = {each["action"]: each for each in page.json["entries"]}
    assert entries["operations.create"]["target"] == f"{made.json['id']}: cancel tasks all=true"
    done = entries["tasks.cancel"]
    assert (done["count"], done["key"], done["origin"]) == (3, "theirs", "127.0.0.1")
    assert done["request_id"] == made.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "cancel", "all": True},
        {"action": "delete", "all": True},
        {"action": "requeue", "all": True},
        {"action": "cancel", "filter": {"label": ["secret"]}},
        {"action": "delete", "filter": {"created_by": "theirs"}},
        {"action": "requeue", "resource": "dead-letters", "all": True},
        {"action": "delete", "resource": "dead-letters", "all": True},
        {"action": "delete", "all": True, "dry_run": True},
    ],
)
async def test_operations_leave_others_alone(api: Api, keys: Keys, fields: dict[str, Any]) -> None:
    """Nothing of theirs is counted and nothing is changed."""
    live, dead = await tasks(api, keys["theirs"], 2, labels={"secret": "x"}, delay=0)
    await api.finish(f"theirs~{dead}", Status.FAILED)
    before = [(await api.ask("GET", f"/tasks/{each}", headers=keys["theirs"])).json for each in (live, dead)]

    operation = await ended(api, await make(api, keys["mine"], **fields), keys["mine"])

    assert [operation[name] for name in ("matched", "done", "skipped", "failed")] == [0, 0, 0, 0]
    after = [(await api.ask("GET", f"/tasks/{each}", headers=keys["theirs"])).json for each in (live, dead)]
    assert before == after


async def test_ids_are_those_of_the_key(api: Api, keys: Keys) -> None:
    """Another key's id is an unknown one, however it is written; answers have the short form."""
    (theirs,) = await tasks(api, keys["theirs"], 1)
    (mine,) = await tasks(api, keys["mine"], 1)
    for asked in (theirs, f"theirs~{theirs}"):
        made = await make(api, keys["mine"], action="delete", ids=[asked])
        operation = await ended(api, made, keys["mine"])
        assert (operation["done"], operation["failed"]) == (0, 1)
        assert [each["id"] for each in operation["reasons"]] == [asked]
        assert "mine~" not in operation["reasons"][0]["reason"]
    operation = await ended(api, await make(api, keys["mine"], action="cancel", ids=[mine]), keys["mine"])
    assert (operation["done"], operation["ids"], operation["ids_count"]) == (1, None, 1)


async def test_ids_are_told_until_the_end(api: Api, keys: Keys) -> None:
    """In the form that the asker knows; then only how many they are."""
    (mine,) = await tasks(api, keys["mine"], 1)
    asked = [mine, "never"]
    made = await make(api, keys["mine"], action="cancel", ids=asked, rate=0.01)
    for key, ids in (("mine", asked), ("boss", [f"mine~{each}" for each in asked])):
        seen = (await api.ask("GET", made.headers["Location"], headers=keys[key])).json
        assert (seen["ids"], seen["ids_count"]) == (ids, 2)
    await api.ask("POST", f"{made.headers['Location']}/abort", headers=keys["mine"])
    operation = await ended(api, made, keys["mine"])
    assert (operation["status"], operation["ids"], operation["ids_count"]) == ("aborted", None, 2)


async def test_operations_of_others_are_unknown(api: Api, keys: Keys) -> None:
    """Not read, listed, aborted or counted; a cursor leads to own ones only. Who sees all sees these, too."""
    await tasks(api, keys["theirs"])
    slow = (await make(api, keys["theirs"], action="cancel", all=True, rate=0.01)).json["id"]
    own = [(await make(api, keys["mine"], action="cancel", all=True)).json["id"] for _ in range(2)]
    for method, path in (("GET", f"/operations/{slow}"), ("POST", f"/operations/{slow}/abort")):
        told = await api.refusal(404, "operation_unknown", method, path, headers=keys["mine"])
        assert "theirs" not in str(told)
    page = (await api.ask("GET", "/operations?limit=1", headers=keys["mine"])).json
    rest = (await api.ask("GET", f"/operations?cursor={page['next_cursor']}", headers=keys["mine"])).json
    assert [each["id"] for each in (*page["operations"], *rest["operations"])] == own[::-1]
    assert rest["next_cursor"] is None
    last = (await api.ask("GET", f"/operations?cursor={slow}", headers=keys["mine"])).json
    assert last == {"operations": [], "next_cursor": None}
    seen = (await api.ask("GET", "/operations", headers=keys["boss"])).json["operations"]
    assert {each["id"] for each in seen} == {slow, *own}
    assert (await api.ask("POST", f"/operations/{slow}/abort", headers=keys["boss"])).status == 202


async def test_a_full_house_of_others_refuses_nobody(api: Api, keys: Keys) -> None:
    """The number of live operations is that of a key."""
    await tasks(api, keys["theirs"], 1)
    for _ in range(10):
        assert (await make(api, keys["theirs"], action="cancel", all=True, rate=0.01)).status in {202, 409}
    assert (await make(api, keys["mine"], action="cancel", all=True)).status == 202


async def test_of_many_at_once_no_more_are_made(api: Api, keys: Keys) -> None:
    await tasks(api, keys["mine"])
    slow = {"action": "cancel", "all": True, "rate": 0.01}
    answers = await asyncio.gather(*(make(api, keys["mine"], **slow) for _ in range(14)))
    assert sorted(answer.status for answer in answers) == [202] * 10 + [409] * 4
    refused = next(answer for answer in answers if answer.status == 409)
    assert "10 of your operations have not ended yet" in refused.json["detail"]


async def test_there_is_a_most_of_all_together(api: Api, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is not the fault of the key that is refused."""
    monkeypatch.setattr(operation_admin, "MOST_RUNS", 2)
    await tasks(api, keys["theirs"])
    for _ in range(2):
        assert (await make(api, keys["theirs"], action="cancel", all=True, rate=0.01)).status == 202
    refused = await make(api, keys["mine"], action="cancel", all=True)
    assert (refused.status, refused.json["code"]) == (409, "state_conflict")
    assert refused.json["detail"].startswith("too many operations have not ended yet")
