"""The routes for workers of remote executors."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_openapi import check
from tests.tools.waiting import eventually, in_time

LEASE = "/executors/resize/lease"
TOKEN = "1." + "A" * 22


@pytest.fixture
async def remote(api: Api) -> Api:
    """With a remote executor."""
    await api.make_executor("resize", kind="remote")
    return api


async def lease(api: Api, **asked: Any) -> Answer:
    fields = {"worker": "w1", "wait": 10, **asked}
    answer = await api.ask("POST", LEASE, json=fields)
    assert answer.status == 200, answer.content
    await check(api, "POST", "/executors/{executor}/lease", answer)
    return answer


async def submit(api: Api, **fields: Any) -> str:
    task = {"executor": "resize", "data": {"width": 2}, **fields}
    answer = await api.ask("POST", "/tasks", json=task)
    assert answer.status == 202, answer.content
    return str(answer.json["id"])


async def test_a_worker_leases_beats_and_completes(remote: Api) -> None:
    """Each answer is as it is described; a second completion is told."""
    task_id = await submit(remote, labels={"team": "a"}, timeout=600)
    (task,) = (await lease(remote)).json["tasks"]
    assert (task["id"], task["attempt"], task["data"]) == (task_id, 1, {"width": 2})
    assert (task["labels"], task["timeout"]) == ({"team": "a"}, 600.0)
    beat = {"token": task["token"], "progress": {"fraction": 0.25, "message": "a quarter"}}
    answer = await remote.ask("POST", f"/tasks/{task_id}/heartbeat", json=beat)
    await check(remote, "POST", "/tasks/{id}/heartbeat", answer)
    assert (answer.json["state"], answer.json["lease_until"] > task["lease_until"]) == ("held", True)
    shown = (await remote.get(f"/tasks/{task_id}")).json
    assert shown["progress"] == {"fraction": 0.25, "message": "a quarter"}
    end = b'{"status": "completed", "token": "%b", "result": {"n": 1.10}}' % task["token"].encode()
    for told in ("applied", "repeated"):
        headers = {"Content-Type": "application/json"}
        answer = await remote.ask("PUT", f"/tasks/{task_id}/status", data=end, headers=headers)
        await check(remote, "PUT", "/tasks/{id}/status", answer)
        assert answer.json == {"id": task_id, "answer": told, "status": "succeeded"}
    assert (await remote.get(f"/tasks/{task_id}/body")).content == b'{"n": 1.10}'
    assert (await remote.get("/audit")).json["entries"][0]["action"] == "executors.create"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"status": "failed", "error": "no"}, "retrying"),
        ({"status": "failed", "error": "no", "final": True}, "failed"),
        ({"status": "failed", "retry_after": "1h"}, "retrying"),
        ({"status": "snoozed", "delay": 60, "reason": "busy"}, "scheduled"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "completed"}, "succeeded"),
    ],
)
async def test_a_worker_ends_an_attempt(remote: Api, end: dict[str, Any], status: str) -> None:
    await submit(remote)
    (task,) = (await lease(remote)).json["tasks"]
    path, body = f"/tasks/{task['id']}/status", {"token": task["token"], **end}
    assert (await remote.ask("PUT", path, json=body)).json["status"] == status


async def test_the_name_of_a_result_may_be_spelt_with_escapes(remote: Api) -> None:
    await submit(remote)
    (task,) = (await lease(remote)).json["tasks"]
    end = rb'{"status": "completed", "token": "%b", "r\u0065sult": ":"}' % task["token"].encode()
    headers = {"Content-Type": "application/json"}
    await remote.ask("PUT", f"/tasks/{task['id']}/status", data=end, headers=headers)
    assert (await remote.get(f"/tasks/{task['id']}/body")).content == b'":"'


async def test_a_lost_lease_is_a_conflict(remote: Api) -> None:
    """A task that was cancelled meanwhile: the heartbeat says so, and the end changes nothing."""
    task_id = await submit(remote)
    (task,) = (await lease(remote)).json["tasks"]
    await remote.ask("POST", f"/tasks/{task_id}/cancel")
    beat = await remote.ask("POST", f"/tasks/{task_id}/heartbeat", json={"token": task["token"]})
    assert beat.json == {"state": "cancelled", "lease_until": None}
    end = {"status": "completed", "token": task["token"]}
    refusal = await remote.refusal(409, "state_conflict", "PUT", f"/tasks/{task_id}/status", json=end)
    assert "it is cancelled now" in refusal["detail"]


async def test_who_ended_an_attempt_is_told_so(remote: Api) -> None:
    """Another end, or a heartbeat, speaks of no lost lease."""
    task_id = await submit(remote)
    (task,) = (await lease(remote)).json["tasks"]
    path, token = f"/tasks/{task_id}", task["token"]
    await remote.ask("PUT", f"{path}/status", json={"status": "completed", "token": token})
    end = {"status": "failed", "token": token}
    refusal = await remote.refusal(409, "state_conflict", "PUT", f"{path}/status", json=end)
    assert "you have ended this attempt with this token in another way" in refusal["detail"]
    beat = await remote.ask("POST", f"{path}/heartbeat", json={"token": token})
    await check(remote, "POST", "/tasks/{id}/heartbeat", beat)
    assert beat.json == {"state": "ended", "lease_until": None}


async def test_why_a_task_waits_is_told(remote: Api) -> None:
    """Nobody asks for it; its queue is none that anybody declares."""
    await submit(remote, id="t1")
    await remote.queued("t1")
    (reason,) = (await remote.get("/tasks/t1/explain")).json["reasons"]
    assert (reason["code"], reason["text"]) == ("no_consumer", "No worker asks for the tasks of resize now.")
    assert (await remote.get("/tasks?queue=remote.resize")).json["tasks"][0]["id"] == "t1"


async def test_who_waits_gets_the_next_task(remote: Api) -> None:
    """And nothing, if nothing comes in time."""
    assert (await lease(remote, wait=0)).json == {"tasks": []}
    waiting = asyncio.ensure_future(lease(remote))
    await eventually(lambda: remote.live.waits == 1)
    task_id = await submit(remote)
    answer = await waiting
    assert [task["id"] for task in answer.json["tasks"]] == [task_id]


@pytest.mark.parametrize("api_options", [{"max_wait": 0.5}])
async def test_a_long_wait_is_cut(remote: Api) -> None:
    """As the OpenAPI document says of the field."""
    async with in_time("the answer"):
        assert (await lease(remote, wait="10m")).json == {"tasks": []}
    document = (await remote.get("/openapi.json")).json
    assert "is cut to it" in document["components"]["schemas"]["LeaseDraft"]["description"]


async def test_an_operator_ends_a_task_that_waits(remote: Api) -> None:
    """Which is in the audit; one that runs, or has ended, is a conflict that says what is allowed."""
    task_id = await submit(remote)
    path = f"/tasks/{task_id}/status"
    answer = await remote.ask("PUT", path, json={"status": "completed", "result": "by hand"})
    assert answer.json == {"id": task_id, "answer": "applied", "status": "succeeded"}
    assert (await remote.get("/audit")).json["entries"][0]["action"] == "tasks.status.set"
    refusal = await remote.refusal(409, "state_conflict", "PUT", path, json={"status": "failed"})
    assert "can only be deleted" in refusal["detail"]
    url = (await remote.submit()).json["id"]
    failed = await remote.ask("PUT", f"/tasks/{url}/status", json={"status": "failed", "error": "given up"})
    assert failed.json["status"] == "failed"
    assert (await remote.get(f"/tasks/{url}")).json["error"].startswith("given up")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", LEASE, {}, "worker"),
        ("POST", LEASE, {"worker": "a b"}, "worker"),
        ("POST", LEASE, {"worker": "w", "max_tasks": 201}, "max_tasks"),
        ("POST", LEASE, {"worker": "w", "wait": -1}, "wait"),
        ("POST", LEASE, {"worker": "w", "count": 1}, "count"),
        ("POST", "/tasks/t/heartbeat", {"token": "x"}, "token"),
        ("POST", "/tasks/t/heartbeat", {"token": TOKEN, "progress": {"fraction": 2}}, "progress.fraction"),
        ("PUT", "/tasks/t/status", {"status": "done"}, "status"),
        ("PUT", "/tasks/t/status", {"status": "completed", "token": "1.x"}, "token"),
        ("PUT", "/tasks/t/status", {"status": "completed", "error": "x"}, ""),
        ("PUT", "/tasks/t/status", {"status": "snoozed", "delay": 1}, ""),
        ("PUT", "/tasks/t/status", {"status": "snoozed", "token": TOKEN}, ""),
    ],
)
async def test_the_field_is_named(
    remote: Api, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    refusal = await remote.refusal(422, "lease_invalid", method, path, json=body)
    assert [each["field"] for each in refusal["errors"]] == [field]


async def test_what_a_name_and_a_token_are_is_told(remote: Api) -> None:
    """In words, not as a regular expression; the token is not shown."""
    refusal = await remote.refusal(422, "lease_invalid", "POST", LEASE, json={"worker": "a b"})
    assert refusal["errors"][0]["message"] == "must be 1 to 64 letters, digits or ._:@-, got 'a b'"
    for method, path in (("POST", "/tasks/t/heartbeat"), ("PUT", "/tasks/t/status")):
        body = {"token": "mine", **({"status": "completed"} if method == "PUT" else {})}
        refusal = await remote.refusal(422, "lease_invalid", method, path, json=body)
        message = refusal["errors"][0]["message"]
        assert message == "is not a token of a lease: give the token that came with the task"


async def test_a_result_has_its_limits(remote: Api) -> None:
    """It must be JSON, and may have as many bytes as are kept of a body."""
    await submit(remote)
    (task,) = (await lease(remote)).json["tasks"]
    body = {"status": "completed", "token": task["token"], "result": "x" * (400 * 1024)}
    path = f"/tasks/{task['id']}/status"
    assert (await remote.ask("PUT", path, json=body)).status == 200


async def test_an_executor_of_another_kind_leases_nothing(remote: Api) -> None:
    await remote.make_executor("thumbs")
    body = {"worker": "w1"}
    refusal = await remote.refusal(409, "state_conflict", "POST", "/executors/thumbs/lease", json=body)
    assert "of the kind python, not remote" in refusal["detail"]
    await remote.refusal(404, "executor_unknown", "POST", "/executors/none/lease", json=body)


async def test_a_task_of_another_key_is_run_but_not_shown(remote: Api) -> None:
    """A worker needs read:all: a key that sees only its own leases nothing, and ends nothing."""
    own = bearer(await remote.make_key("own", Scope.SUBMIT, Scope.READ, Scope.OPERATE))
    fields = {"executor": "resize", "data": 1, "id": "t1"}
    assert (await remote.ask("POST", "/tasks", json=fields, headers=own)).status == 202
    asked: dict[str, Any] = {"json": {"worker": "w"}, "headers": own}
    await remote.refusal(403, "scope_missing", "POST", LEASE, **asked)
    asked["json"] = {"status": "completed"}
    await remote.refusal(403, "scope_missing", "PUT", "/tasks/t1/status", **asked)
    worker = bearer(await remote.make_key("worker", Scope.OPERATE, Scope.READ_ALL))
    leased = await remote.ask("POST", LEASE, json={"worker": "w", "wait": 5}, headers=worker)
    (task,) = leased.json["tasks"]
    assert task["id"] == "own~t1"
    body = {"status": "completed", "token": task["token"]}
    await remote.ask("PUT", "/tasks/own~t1/status", json=body, headers=worker)
    record = await remote.store.get("own~t1")
    assert record is not None
    assert record.status is Status.SUCCEEDED


async def test_a_limit_has_its_limit(api: Api) -> None:
    """The leases of a limited executor are counted one by one."""
    fields = {"name": "resize", "kind": "remote", "concurrency": 2001}
    problem = await api.refusal(422, "executor_invalid", "POST", "/executors", json=fields)
    assert "concurrency must be at most 2000 for the kind remote, got 2001" in problem["errors"][0]["message"]
    await api.make_executor("resize", kind="remote", concurrency=2000)
    assert (await api.ask("PATCH", "/executors/resize", json={"concurrency": 2001})).status == 422
