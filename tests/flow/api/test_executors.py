"""Executors over the API: made, changed and deleted by who has seen the version, and used by tasks."""

import json
from typing import Any

import pytest

from taskrunner.domain.executors.executor import MAX_EXECUTORS
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

PYTHON = {"name": "resize_image", "kind": "python"}
HTTP = {
    "name": "send_order",
    "kind": "http",
    "enabled": True,
    "description": "Orders to the shop",
    "schema": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "url": "https://shop.test/orders/{id}?key={key}&token=s3cret",
    "method": "PUT",
    "headers": {"Authorization": "secret", "Accept": "b"},
    "tls": None,
    "retry": {"strategy": "linear", "base": 2.0, "cap": 60.0, "jitter": 0.1, "delays": []},
    "max_attempts": 7,
    "timeout": 12.5,
    "queue": "low",
    "write_concern": "store",
    "concurrency": 3,
    "rate": 2.5,
    "burst": 4,
    "retention": 3600.0,
    "dead_letters": {"enabled": False},
}


async def test_one_is_made_and_read(api: Api) -> None:
    """With its defaults, where it is, and a tag."""
    made = await api.ask("POST", "/executors", json=PYTHON)
    assert (made.status, made.headers["Location"]) == (201, "/executors/resize_image")
    assert made.json | {"created_at": None, "updated_at": None} == {
        **dict.fromkeys(HTTP),
        **PYTHON,
        "enabled": True,
        "dead_letters": {"enabled": True},
        "managed_by": "operator",
        "version": 1,
        "created_at": None,
        "updated_at": None,
    }
    read = await api.get("/executors/resize_image")
    assert (read.json, read.headers["ETag"]) == (made.json, made.headers["ETag"])
    assert (await api.get("/executors")).json == {"executors": [made.json]}


async def test_all_can_be_said_and_sent_back(api: Api) -> None:
    """What was read can be sent back, but for what is secret."""
    made = await api.ask("POST", "/executors", json=HTTP)
    shown = {name: made.json[name] for name in HTTP}
    assert shown == {**HTTP, "headers": {"Authorization": "***", "Accept": "b"}, "url": shown["url"]}
    assert shown["url"] == "https://shop.test/orders/{id}?key={key}&token=***"
    again = await api.ask("PUT", "/executors/send_order", json={**shown, "url": HTTP["url"], "headers": {}})
    assert (again.status, again.json["version"]) == (200, 2)
    masked = await api.refusal(422, "executor_invalid", "PUT", "/executors/send_order", json=shown)
    assert {each["field"] for each in masked["errors"]} == {"url", "headers"}


async def test_a_change_needs_the_version_it_was_made_from(api: Api) -> None:
    """The tag of each version is its own, whichever of its fields changed."""
    made = await api.ask("POST", "/executors", json=PYTHON)
    seen = {"If-Match": made.headers["ETag"]}
    path = "/executors/resize_image"
    changed = await api.ask("PATCH", path, json={"timeout": "5s"}, headers=seen)
    assert (changed.status, changed.json["version"], changed.json["timeout"]) == (200, 2, 5)
    assert changed.headers["ETag"] != made.headers["ETag"]
    for method, body in (("PATCH", {"timeout": 6}), ("PUT", {"kind": "python"}), ("DELETE", None)):
        await api.refusal(412, "precondition_failed", method, path, json=body, headers=seen)
    fresh = {"If-None-Match": "*"}
    await api.refusal(412, "precondition_failed", "PUT", path, json={"kind": "python"}, headers=fresh)
    assert (await api.ask("PUT", "/executors/other", json={"kind": "remote"}, headers=fresh)).status == 201
    assert (await api.ask("DELETE", path, headers={"If-Match": changed.headers["ETag"]})).status == 204
    await api.refusal(404, "executor_unknown", "GET", path)


async def test_a_patch_changes_what_it_names(api: Api) -> None:
    """By RFC 7396: null removes, objects are merged; the schema keeps how its numbers are spelt."""
    raw = json.dumps({**HTTP, "schema": None}).replace('"schema": null', '"schema": {"minimum": 1.50}')
    await api.ask("POST", "/executors", data=raw, headers={"Content-Type": "application/json"})
    patch = {"headers": {"Accept": None, "Accept-Language": "c"}, "timeout": None, "retry": {"base": 3}}
    patched = await api.ask("PATCH", "/executors/send_order", json=patch)
    assert patched.status == 200, patched.content
    assert patched.json["headers"] == {"Authorization": "***", "Accept-Language": "c"}
    assert (patched.json["timeout"], patched.json["retry"]["base"]) == (None, 3)
    assert b'{"minimum": 1.50}' in patched.content
    await api.refusal(422, "executor_invalid", "PATCH", "/executors/send_order", json={"name": "other"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "Resize"}, "name"),
        ({"name": "http"}, "name"),
        ({"kind": "shell"}, "kind"),
        ({"kind": None}, "kind"),
        ({"url": "http://127.0.0.1/{id}"}, "url"),
        ({"url": "https://{host}/"}, "url"),
        ({"url": None}, ""),
        ({"kind": "python"}, ""),
        ({"method": "FETCH"}, "method"),
        ({"headers": {"Host": "a"}}, "headers"),
        ({"tls": "none"}, "tls"),
        ({"schema": {"type": "objekt"}}, "schema"),
        ({"schema": 5}, "schema"),
        ({"schema": {"$ref": "https://a.test/"}}, "schema"),
        ({"schema": {"pattern": "(a)\\1"}}, "schema"),
        ({"retry": {"base": 9, "cap": 8}}, "retry"),
        ({"max_attempts": 101}, "max_attempts"),
        ({"timeout": 901}, "timeout"),
        ({"queue": "urgent"}, "queue"),
        ({"write_concern": "maybe"}, "write_concern"),
        ({"concurrency": 0}, "concurrency"),
        ({"rate": 0}, "rate"),
        ({"rate": None}, ""),
        ({"retention": -1}, "retention"),
        ({"dead_letters": {"enable": True}}, "dead_letters.enable"),
        ({"managed_by": "me"}, "managed_by"),
        ({"nmae": "x"}, "nmae"),
    ],
)
async def test_what_is_wrong_is_told(api: Api, changes: dict[str, Any], field: str) -> None:
    problem = await api.refusal(422, "executor_invalid", "POST", "/executors", json={**HTTP, **changes})
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_put_needs_a_name_that_can_be(api: Api) -> None:
    for name in ("Resize", "x" * 65, "http"):
        await api.refusal(422, "executor_invalid", "PUT", f"/executors/{name}", json={"kind": "python"})
    await api.refusal(422, "executor_invalid", "PUT", "/executors/a", json=PYTHON)
    await api.refusal(404, "executor_unknown", "GET", "/executors/Resize")


async def test_names_are_given_once_and_there_are_few(api: Api) -> None:
    """Each process reads them all once a second. One that is there can still be changed."""
    await api.ask("POST", "/executors", json=PYTHON)
    await api.refusal(409, "state_conflict", "POST", "/executors", json=PYTHON)
    for number in range(MAX_EXECUTORS - 1):
        await api.ask("PUT", f"/executors/e{number}", json={"kind": "python"})
    problem = await api.refusal(409, "state_conflict", "PUT", "/executors/more", json={"kind": "python"})
    assert f"at most {MAX_EXECUTORS}" in problem["detail"]
    assert (await api.ask("PATCH", "/executors/e0", json={"enabled": False})).status == 200


async def test_a_switch_leaves_an_executor_to_its_code(api: Api) -> None:
    """Any other change of an operator takes it over, and he can give it back."""
    await api.ask("POST", "/executors", json={**PYTHON, "managed_by": "code"})
    path = "/executors/resize_image"
    managed = [
        (await api.ask("PATCH", path, json=patch)).json["managed_by"]
        for patch in (
            {"enabled": False},
            {"enabled": True},
            {"timeout": 5},
            {"managed_by": "code"},
            {"queue": "low"},
        )
    ]
    assert managed == ["code", "code", "operator", "code", "operator"]


async def test_all_keys_share_executors(api: Api) -> None:
    """Whoever may read sees them; only who may operate, and sees the tasks of all, changes them."""
    await api.make_executor("resize_image")
    mine = bearer(await api.make_key("mine", Scope.SUBMIT, Scope.READ))
    both = bearer(await api.make_key("both", Scope.OPERATE, Scope.READ, Scope.SUBMIT))
    ops = bearer(await api.make_key("ops", Scope.OPERATE, Scope.READ, Scope.READ_ALL))
    path = "/executors/resize_image"
    assert (await api.ask("GET", path, headers=mine)).status == 200
    for key in (mine, both):
        for method, each in (("POST", "/executors"), ("PUT", path), ("PATCH", path), ("DELETE", path)):
            await api.refusal(403, "scope_missing", method, each, json={}, headers=key)
    assert (await api.ask("PATCH", path, json={"timeout": 5}, headers=ops)).status == 200


async def test_changes_are_audited(api: Api) -> None:
    await api.ask("POST", "/executors", json=PYTHON)
    await api.ask("PATCH", "/executors/resize_image", json={"enabled": False})
    await api.ask("DELETE", "/executors/resize_image")
    entries = (await api.get("/audit?action=executors")).json["entries"]
    assert [(each["action"], each["target"]) for each in entries] == [
        ("executors.delete", "resize_image"),
        ("executors.change", "resize_image"),
        ("executors.create", "resize_image"),
    ]


async def test_one_with_live_tasks_is_deleted_only_with_them(api: Api) -> None:
    """Tasks of others, and those that have ended, do not count."""
    for name in ("a", "b"):
        await api.make_executor(name)
        assert (
            await api.ask("POST", "/tasks", json={"executor": name, "id": name, "delay": 60})
        ).status == 202
    await api.refusal(409, "state_conflict", "DELETE", "/executors/a")
    assert (await api.get("/executors/a")).json["enabled"]
    assert (await api.ask("DELETE", "/executors/a?cancel=true")).status == 204
    assert [(await api.get(f"/tasks/{each}")).json["status"] for each in ("a", "b")] == [
        "cancelled",
        "scheduled",
    ]
    problem = await api.refusal(422, "task_invalid", "POST", "/tasks", json={"executor": "a"})
    assert problem["errors"][0]["field"] == "executor"
    await api.ask("POST", "/tasks/b/cancel")
    assert (await api.ask("DELETE", "/executors/b")).status == 204


async def test_a_task_is_submitted_by_executor_and_data(api: Api) -> None:
    """It is shown with both, and has the policies of its executor."""
    await api.make_executor("resize_image", timeout=9, queue="low")
    made = await api.ask("POST", "/tasks", json={"executor": "resize_image", "data": {"width": 80}})
    assert made.status == 202
    assert made.json["method"] is None
    assert (made.json["executor"], made.json["data"], made.json["url"]) == (
        "resize_image",
        {"width": 80},
        None,
    )
    assert (made.json["timeout"], made.json["queue"]) == (9, "low")
    task_id = made.json["id"]
    await api.queued(task_id)
    assert (await api.get(f"/tasks/{task_id}")).json["data"] == {"width": 80}
    for executor, count in (("resize_image", 1), ("http", 0), ("other", 0)):
        assert len((await api.get(f"/tasks?executor={executor}")).json["tasks"]) == count
    plain = await api.submit()
    assert (plain.json["executor"], plain.json["data"]) == (None, None)


async def test_an_http_executor_makes_the_request(api: Api) -> None:
    """Its URL is filled from the data, which is the body; the task's own fields win."""
    fields = {**HTTP, "url": "https://shop.test/orders/{id}"}
    await api.make_executor(str(fields.pop("name")), **fields)
    headers = {"accept": "mine"}
    made = await api.ask(
        "POST", "/tasks", json={"executor": "send_order", "data": {"id": 7}, "headers": headers}
    )
    assert made.status == 202, made.content
    assert (made.json["url"], made.json["method"]) == ("https://shop.test/orders/7", "PUT")
    assert made.json["headers"] == {
        "Authorization": "***",
        "accept": "mine",
        "Content-Type": "application/json",
    }
    problem = await api.refusal(
        422, "task_invalid", "POST", "/tasks", json={"executor": "send_order", "data": {"id": "7"}}
    )
    assert problem["errors"] == [
        {"field": "data/id", "message": 'the value is not of type "integer"', "rule": "/properties/id/type"}
    ]


async def test_a_disabled_executor_refuses_new_tasks(api: Api) -> None:
    """With its name; in a batch, each of its tasks."""
    await api.make_executor("resize_image")
    await api.ask("PATCH", "/executors/resize_image", json={"enabled": False})
    task = {"executor": "resize_image"}
    problem = await api.refusal(409, "executor_disabled", "POST", "/tasks", json=task)
    assert "resize_image" in problem["detail"]
    batch = await api.ask("POST", "/tasks/batch", json=[task, {"url": "http://example.com/"}])
    assert [(each["status"], each["code"]) for each in batch.json["items"]] == [
        (409, "executor_disabled"),
        (202, None),
    ]


async def test_what_is_wrong_in_a_batch_is_told_by_item(api: Api) -> None:
    await api.make_executor("resize_image", schema={"type": "object"})
    tasks = [
        {"executor": "resize_image", "data": 5},
        {"executor": "resize_imag"},
        {"executor": "resize_image", "data": {}},
    ]
    lines = "\n".join(map(json.dumps, tasks))
    for options in ({"json": tasks}, {"data": lines, "headers": {"Content-Type": "application/x-ndjson"}}):
        results = (await api.ask("POST", "/tasks/batch", **options)).json["items"]
        assert [each["status"] for each in results] == [422, 422, 202]
        assert [each["errors"][0]["field"] for each in results[:2]] == ["data", "executor"]
    atomic = await api.refusal(422, "batch_refused", "POST", "/tasks/batch?atomic=true", json=tasks)
    assert {each["field"] for each in atomic["errors"]} == {"1.data", "2.executor"}


async def test_a_task_of_an_executor_has_no_request(api: Api) -> None:
    """Its attempts are shown without one, HAR has no entry, and there is no curl command."""
    await api.make_executor("resize_image")
    task_id = (await api.ask("POST", "/tasks", json={"executor": "resize_image"})).json["id"]
    await api.queued(task_id)
    await api.finish(task_id, Status.SUCCEEDED)
    (attempt,) = (await api.get(f"/tasks/{task_id}/attempts")).json["attempts"]
    assert attempt["request"] is None
    archive = (await api.get(f"/tasks/{task_id}/attempts?format=har")).json
    assert archive["log"]["entries"] == []
    await api.refusal(404, "attempt_unknown", "GET", f"/tasks/{task_id}/attempts/1?format=curl")


async def test_a_dry_run_tells_the_executor_and_its_policies(api: Api) -> None:
    """What the task would have, and that the data fits; nothing is stored."""
    await api.make_executor(schema={"type": "object"}, timeout=9, concurrency=2)
    task = {"executor": "resize_image", "data": {}}
    found = (await api.ask("POST", "/tasks?dry_run=true", json=task)).json
    assert found["executor"] == {
        "name": "resize_image",
        "kind": "python",
        "version": 1,
        "checked": True,
        "concurrency": 2,
        "rate": None,
        "retention": None,
        "dead_letters": {"enabled": True},
    }
    assert (found["task"]["timeout"], found["target"]) == (9, None)
    assert not (await api.get("/tasks")).json["tasks"]
    wrong = {"executor": "resize_image", "data": []}
    await api.refusal(422, "task_invalid", "POST", "/tasks?dry_run=true", json=wrong)
    assert (await api.ask("POST", "/tasks?dry_run=true", json={"url": "http://example.com/"})).json[
        "executor"
    ] is None


async def test_a_task_of_a_disabled_executor_says_why_it_waits(api: Api) -> None:
    """With who disabled it, as for pauses."""
    await api.make_executor()
    made = await api.ask("POST", "/tasks", json={"executor": "resize_image"})
    await api.queued(made.json["id"])
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    await api.ask("PATCH", "/executors/resize_image", json={"enabled": False}, headers=boss)
    reasons = (await api.ask("GET", f"/tasks/{made.json['id']}/explain", headers=boss)).json["reasons"]
    (paused,) = [each for each in reasons if each["code"] == "paused"]
    assert (paused["scope"], paused["by"]) == ("executor:resize_image", "boss")
    assert paused["text"].startswith("The executor resize_image has been disabled since ")


async def test_a_batch_finds_an_executor_that_another_process_has_just_made(api: Api) -> None:
    await api.make_executor()
    api.executors.source.set(())
    items = (await api.ask("POST", "/tasks/batch", json=[{"executor": "resize_image"}] * 2)).json["items"]
    assert [each["status"] for each in items] == [202, 202]
