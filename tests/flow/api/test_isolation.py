"""A key without read:all sees and changes only its own tasks, and cannot tell what others have."""

import json
from typing import Any

import pytest

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer

OWN = (Scope.SUBMIT, Scope.READ, Scope.OPERATE)
CRON = {"cron": "0 4 * * *", "task": {"url": "http://example.com/theirs"}}


@pytest.fixture
async def keys(api: Api) -> dict[str, dict[str, str]]:
    """Two keys that see only their own, and one that sees all."""
    scopes = {"mine": OWN, "theirs": OWN, "boss": (Scope.ADMIN,)}
    return {name: bearer(await api.make_key(name, *given)) for name, given in scopes.items()}


async def submit(api: Api, key: dict[str, str], headers: dict[str, str] | None = None, **task: Any) -> Answer:
    fields = {"url": "http://example.com/", **task}
    return await api.ask("POST", "/tasks", json=fields, headers={**key, **(headers or {})})


async def test_ids_are_those_that_the_key_gave(api: Api, keys: dict[str, dict[str, str]]) -> None:
    """Two keys may give the same id, and each reads its own; who sees all has the whole ids."""
    for name in ("mine", "theirs"):
        answer = await submit(api, keys[name], id="same", labels={"of": name})
        assert (answer.status, answer.json["id"], answer.json["created_by"]) == (202, "same", name)
        assert answer.headers["Location"] == "/tasks/same"
    for name in ("mine", "theirs"):
        read = await api.ask("GET", "/tasks/same", headers=keys[name])
        assert (read.json["id"], read.json["labels"]) == ("same", {"of": name})
        listed = await api.ask("GET", "/tasks", headers=keys[name])
        assert [task["id"] for task in listed.json["tasks"]] == ["same"]
    seen = await api.ask("GET", "/tasks", headers=keys["boss"])
    assert {task["id"] for task in seen.json["tasks"]} == {"mine~same", "theirs~same"}
    assert (await api.ask("GET", "/tasks/mine~same", headers=keys["boss"])).status == 200
    assert (await api.ask("GET", "/tasks/same", headers=keys["boss"])).status == 404


async def test_an_idempotency_key_is_of_one_api_key(api: Api, keys: dict[str, dict[str, str]]) -> None:
    """The same key with another request is no conflict for another API key."""
    same = {"Idempotency-Key": "k1"}
    first = await submit(api, keys["theirs"], same)
    mine = await submit(api, keys["mine"], same, method="POST")
    again = await submit(api, keys["mine"], same, method="POST")
    assert (first.status, mine.status, again.status) == (202, 202, 202)
    assert mine.json["id"] not in first.json["id"]
    assert (again.json["id"], again.headers["Idempotency-Replayed"]) == (mine.json["id"], "true")
    assert "Idempotency-Replayed" not in mine.headers


async def test_a_batch_is_of_the_key(api: Api, keys: dict[str, dict[str, str]]) -> None:
    await submit(api, keys["theirs"], id="a")
    sent = [{"url": "http://example.com/", "id": each} for each in ("a", "b")]
    answer = await api.ask("POST", "/tasks/batch", json=sent, headers=keys["mine"])
    assert [(item["status"], item["id"], item["created"]) for item in answer.json["items"]] == [
        (202, "a", True),
        (202, "b", True),
    ]
    assert await api.store.get("mine~b") is not None


async def theirs(api: Api, keys: dict[str, dict[str, str]]) -> list[str]:
    """What another key has: a waiting, a finished and a failed task, and a schedule."""
    ids = [(await submit(api, keys["theirs"], labels={"secret": "plan"})).json["id"] for _ in range(3)]
    stored = [f"theirs~{each}" for each in ids]
    await api.finish(stored[1], Status.SUCCEEDED, Response(status=200, body=b"theirs", size_bytes=6))
    await api.finish(stored[2], Status.FAILED)
    created = await api.ask("POST", "/schedules", json={"name": "nightly", **CRON}, headers=keys["theirs"])
    assert created.status == 201
    return [*ids, *stored, "nightly", "theirs~nightly"]


def told(answer: Answer, *, but: str) -> str:
    """An answer without what the client itself has sent, and without its own id."""
    own = answer.headers["X-Request-Id"]
    return f"{answer.status} {answer.content.decode()}".replace(but, "").replace(own, "")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        route
        for route, needs in ROUTES.items()
        if any(name in route[1] for name in ("{id}", "{name}")) and Scope.READ_ALL not in needs.scopes
    ],
)
async def test_what_others_have_is_as_if_it_was_not(
    api: Api, keys: dict[str, dict[str, str]], method: str, path: str
) -> None:
    """Every route with an id or a name answers as for one that never was, and changes nothing."""
    names = await theirs(api, keys)
    before = await everything(api, keys)
    body = {"json": CRON} if method in {"PUT", "PATCH"} else {}
    for name in names:
        asked = path.format(id=name, name=name, number=1)
        never = path.format(id="never-was", name="never-was", number=1)
        answer = await api.ask(method, asked, headers=keys["mine"], **body)
        if method == "PUT" and "~" not in name:
            # A schedule of its own, with a name that another key has, too.
            assert answer.status in {200, 201}
            continue
        unknown = await api.ask(method, never, headers=keys["mine"], **body)
        if method == "PUT":
            assert answer.status == 422
            continue
        assert told(answer, but=name) == told(unknown, but="never-was")
        assert answer.status == 404
    assert await everything(api, keys) == before


@pytest.mark.parametrize("path", ["/tasks", "/dead-letters", "/schedules"])
async def test_lists_are_of_the_key(api: Api, keys: dict[str, dict[str, str]], path: str) -> None:
    """Nor does a cursor lead to what others have, or name it."""
    await theirs(api, keys)
    (await submit(api, keys["mine"], id="a"))
    for query in ("", "?limit=1", "?cursor=theirs~", "?limit=1&cursor=0"):
        answer = await api.ask("GET", f"{path}{query}", headers=keys["mine"])
        assert b"theirs" not in answer.content.replace(b"cursor=theirs", b"")


@pytest.mark.parametrize(
    "path", ["/stats", "/metrics", "/hosts", "/hosts/a.test", "/hosts/a.test/limit", "/pauses", "/keys"]
)
async def test_what_is_of_all_is_not_shown(api: Api, keys: dict[str, dict[str, str]], path: str) -> None:
    """Numbers tell as well."""
    await api.refusal(403, "scope_missing", "GET", path, headers=keys["mine"])


async def test_schedules_are_of_the_key(api: Api, keys: dict[str, dict[str, str]]) -> None:
    """Two keys may give the same name; a run is a task of the key."""
    for name in ("theirs", "mine"):
        made = await api.ask("POST", "/schedules", json={"name": "nightly", **CRON}, headers=keys[name])
        assert (made.status, made.json["name"]) == (201, "nightly")
    run = await api.ask("POST", "/schedules/nightly/run", headers=keys["mine"])
    assert (run.json["created_by"], run.json["labels"]) == ("mine", {"schedule": "nightly"})
    assert (await api.ask("GET", f"/tasks/{run.json['id']}", headers=keys["mine"])).status == 200
    assert (await api.ask("GET", f"/tasks/{run.json['id']}", headers=keys["theirs"])).status == 404
    patched = await api.ask("PATCH", "/schedules/nightly", json={"cron": "5 4 * * *"}, headers=keys["mine"])
    assert patched.json["cron"] == "5 4 * * *"
    listed = await api.ask("GET", "/schedules", headers=keys["theirs"])
    assert [each["cron"] for each in listed.json["schedules"]] == ["0 4 * * *"]


async def everything(api: Api, keys: dict[str, dict[str, str]]) -> str:
    """All that the other key has."""
    answers = [
        (await api.ask("GET", path, headers=keys["theirs"])).json
        for path in ("/tasks", "/dead-letters", "/schedules")
    ]
    return json.dumps(answers, sort_keys=True)
