"""A dry run says what a submit would do, and does nothing."""

import asyncio
from functools import partial
from typing import Any

import pytest

from taskrunner.cli.api_client import ApiClient
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_isolation import keys, submit

__all__ = ["keys"]  # a fixture
PATH = "/tasks?dry_run=true"


async def rehearse(api: Api, url: str = "http://public.test/", key: str | None = None, **task: Any) -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api.ask("POST", PATH, json={"url": url, **task}, headers=headers)


async def test_every_setting_is_told_and_nothing_is_stored(api: Api) -> None:
    answer = await rehearse(api, priority="high", delay=60, retry={"base": 2}, max_attempts=3)
    assert answer.status == 200
    found = answer.json
    assert (found["created"], found["existing_id"], found["write_concern"]) == (True, None, "broker")
    assert (found["task"]["queue"], found["task"]["timeout"]) == ("high", 30.0)
    assert found["task"]["retry"]["base"] == 2
    assert found["task"]["retry"]["cap"] == 300
    assert [each["number"] for each in found["attempts"]] == [1, 2, 3]
    assert [(each["delay_min"], each["delay_max"]) for each in found["attempts"]] == [
        (0, 0),
        (1.6, 2),
        (3.2, 4),
    ]
    assert found["attempts"][0]["earliest"] == found["task"]["run_at"]
    assert await api.store.counts() == dict.fromkeys(Status, 0)
    assert (await api.get("/tasks")).json["tasks"] == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "queued"),
        ({"delay": 60}, "scheduled"),
        ({"write_concern": "store"}, "scheduled"),
    ],
)
async def test_the_status_is_that_of_a_submit(api: Api, fields: dict[str, Any], status: str) -> None:
    assert (await rehearse(api, **fields)).json["task"]["status"] == status
    assert (await api.submit(**fields)).json["status"] == status


@pytest.mark.parametrize(
    ("url", "state", "addresses"),
    [
        (
            "http://public.test/",
            "allowed",
            [("93.184.216.34", "public", None), ("2606:2800:220:1::1", "public", None)],
        ),
        ("http://93.184.216.34/", "allowed", [("93.184.216.34", "public", None)]),
        ("http://private.test/", "refused", [(None, "private", "not_public")]),
        (
            "http://mixed.test/",
            "refused",
            [("93.184.216.34", "public", None), (None, "metadata", "never_allowed")],
        ),
        ("http://zoned.test/", "refused", [(None, None, "zone")]),
        ("http://nowhere.test/", "unresolved", []),
    ],
)
async def test_the_guard_is_asked_about_the_target(
    api: Api, url: str, state: str, addresses: list[tuple[str | None, str | None, str | None]]
) -> None:
    """A refused address is told by its class alone: nobody may map a network with dry runs."""
    target = (await rehearse(api, url)).json["target"]
    assert (target["state"], target["port"]) == (state, 80)
    found = [(each["address"], each["address_class"], each["refusal"]) for each in target["addresses"]]
    assert found == addresses


@pytest.mark.parametrize(
    ("task", "status", "code"),
    [
        ({"timeout": -1}, 422, "task_invalid"),
        ({"url": "http://10.0.0.1/"}, 422, "task_invalid"),
        ({"url": "http://public.test/", "unknown": 1}, 422, "task_invalid"),
        ({"id": "taken", "method": "PUT"}, 409, "state_conflict"),
    ],
)
async def test_what_a_submit_refuses_a_dry_run_refuses(
    api: Api, task: dict[str, Any], status: int, code: str
) -> None:
    """With the same problem."""
    assert (await api.submit(id="taken")).status == 202
    options: Any = {"json": {"url": "http://public.test/", **task}}
    dry = await api.refusal(status, code, "POST", PATH, **options)
    real = await api.refusal(status, code, "POST", "/tasks", **options)
    assert {**dry, "request_id": ""} == {**real, "request_id": ""}


async def test_a_repetition_is_foreseen(api: Api) -> None:
    """By id and by Idempotency-Key; a key that came with another request is refused."""
    given = {"Idempotency-Key": "k1"}
    first = await api.ask("POST", "/tasks", json={"url": "http://public.test/"}, headers=given)
    found = (await rehearse(api, key="k1")).json
    assert (found["created"], found["existing_id"]) == (False, first.json["id"])
    assert (await rehearse(api, key="k2")).json["created"] is True
    await api.refusal(
        422, "idempotency_key_reused", "POST", PATH, json={"url": "http://mixed.test/"}, headers=given
    )


async def test_a_dry_run_takes_no_idempotency_key(api: Api) -> None:
    """The submit that follows may have it, with another content."""
    await rehearse(api, key="k1")
    later = await api.ask(
        "POST", "/tasks", json={"url": "http://mixed.test/"}, headers={"Idempotency-Key": "k1"}
    )
    assert later.status == 202
    assert "Idempotency-Replayed" not in later.headers


async def test_secrets_are_masked(api: Api) -> None:
    found = await rehearse(api, "http://public.test/?token=abc", headers={"Authorization": "Bearer abc"})
    assert b"abc" not in found.content


@pytest.mark.parametrize("query", ["dry_run=yes", "dry_run=true&dry_run=true", "dryrun=true"])
async def test_a_parameter_that_is_not_understood_submits_nothing(api: Api, query: str) -> None:
    await api.refusal(400, "bad_query", "POST", f"/tasks?{query}", json={"url": "http://public.test/"})
    assert (await api.get("/tasks")).json["tasks"] == []


async def test_dry_run_false_submits(api: Api) -> None:
    answer = await api.ask("POST", "/tasks?dry_run=false", json={"url": "http://public.test/"})
    assert answer.status == 202
    assert await api.store.get(answer.json["id"]) is not None


async def test_dry_runs_of_two_keys_do_not_meet(api: Api, keys: dict[str, dict[str, str]]) -> None:
    """Neither an id nor an Idempotency-Key of another API key can be inferred."""
    await submit(api, keys["theirs"], {"Idempotency-Key": "k"}, id="same", method="PUT")
    headers = {**keys["mine"], "Idempotency-Key": "k"}
    answer = await api.ask("POST", PATH, json={"url": "http://public.test/", "id": "same"}, headers=headers)
    assert (answer.status, answer.json["created"], answer.json["existing_id"]) == (200, True, None)
    assert answer.json["task"]["id"] == "same"
    assert b"~" not in answer.content
    own = await submit(api, keys["mine"], {"Idempotency-Key": "k2"}, method="PUT")
    again = await api.ask(
        "POST",
        PATH,
        json={"url": "http://example.com/", "method": "PUT"},
        headers={**keys["mine"], "Idempotency-Key": "k2"},
    )
    assert (again.json["created"], again.json["existing_id"]) == (False, own.json["id"])


async def test_a_batch_is_rehearsed(api: Api) -> None:
    """Each item has the status that a submit would have, and none is stored."""
    await api.submit(id="taken")
    sent = [
        {"url": "http://example.com/", "id": "taken"},
        {"url": "http://example.com/", "id": "taken", "method": "PUT"},
        {"url": "http://public.test/", "id": "new"},
        {"url": "ftp://public.test/"},
    ]
    answer = await api.ask("POST", "/tasks/batch?dry_run=true", json=sent)
    found = [(item["status"], item["created"], item["published"]) for item in answer.json["items"]]
    assert found == [(202, False, False), (409, False, False), (202, True, False), (422, False, False)]
    assert [task["id"] for task in (await api.get("/tasks")).json["tasks"]] == ["taken"]


async def test_an_atomic_batch_is_rehearsed(api: Api) -> None:
    await api.submit(id="taken")
    path = "/tasks/batch?dry_run=true&atomic=true"
    fresh = {"url": "http://public.test/", "id": "new"}
    assert (await api.ask("POST", path, json=[fresh])).json["items"][0]["created"] is True
    wrong: Any = {"json": [fresh, {"url": "http://public.test/", "id": "taken"}]}
    problem = await api.refusal(409, "batch_refused", "POST", path, **wrong)
    assert [error["field"] for error in problem["errors"]] == ["2.id"]
    assert await api.store.get("new") is None


async def test_the_client_of_the_command_line_rehearses(api: Api) -> None:
    client = ApiClient(f"http://127.0.0.1:{api.server.port}")
    found = await asyncio.to_thread(client.dry_run, {"url": "http://public.test/"})
    assert found["target"]["state"] == "allowed"
    items = await asyncio.to_thread(partial(client.submit_lines, [b"http://public.test/"], dry_run=True))
    assert items[0]["created"] is True
    assert (await api.get("/tasks")).json["tasks"] == []
