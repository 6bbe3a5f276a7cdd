"""Schedules over HTTP."""

import json
from typing import Any

import pytest

from tests.flow.api.harness import Api

FIELDS: dict[str, Any] = {
    "cron": "30 6 * * *",
    "time_zone": "Europe/Berlin",
    "task": {"url": "http://a.test/"},
}


async def create(api: Api, name: str = "report", **fields: Any) -> Any:
    answer = await api.ask("POST", "/schedules", json={"name": name, **FIELDS, **fields})
    assert answer.status == 201, answer.content
    return answer


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_schedule_is_a_resource(api: Api, prefix: str) -> None:
    """Made, read where its Location says, and gone when it is deleted."""
    answer = await api.ask("POST", f"{prefix}/schedules", json={"name": "report", **FIELDS})
    assert (answer.status, answer.headers["Location"]) == (201, f"{prefix}/schedules/report")
    read = await api.get(answer.headers["Location"])
    assert read.json == answer.json
    assert read.json["next_at"].endswith(":30:00Z")
    assert (read.json["missed"], read.json["overlap"], read.json["paused"]) == ("once", "allow", False)
    gone = await api.ask("DELETE", f"{prefix}/schedules/report")
    assert (gone.status, gone.content) == (204, b"")
    await api.refusal(404, "schedule_unknown", "GET", f"{prefix}/schedules/report")


async def test_a_name_is_given_once(api: Api) -> None:
    await create(api)
    await api.refusal(409, "state_conflict", "POST", "/schedules", json={"name": "report", **FIELDS})


async def test_put_makes_and_changes(api: Api) -> None:
    """201 and then 200; the name may stand in the body, if it is the same."""
    first = await api.ask("PUT", "/schedules/a", json=FIELDS)
    second = await api.ask("PUT", "/schedules/a", json={**FIELDS, "name": "a", "missed": "all"})
    assert (first.status, second.status, second.json["missed"]) == (201, 200, "all")
    assert second.json["created_at"] == first.json["created_at"]
    await api.refusal(422, "schedule_invalid", "PUT", "/schedules/a", json={**FIELDS, "name": "b"})
    await api.refusal(422, "schedule_invalid", "PUT", "/schedules/a%20b", json=FIELDS)


async def test_pausing_and_resuming(api: Api) -> None:
    await create(api)
    paused = await api.ask("POST", "/schedules/report/pause")
    assert (paused.status, paused.json["paused"], paused.json["next_at"]) == (200, True, None)
    resumed = await api.ask("POST", "/schedules/report/resume")
    assert (resumed.status, resumed.json["paused"]) == (200, False)
    assert resumed.json["next_at"] is not None


async def test_running_now(api: Api) -> None:
    """202 with a task that can be read."""
    await create(api)
    answer = await api.ask("POST", "/schedules/report/run")
    assert answer.status == 202
    task = await api.get(answer.headers["Location"])
    assert (task.json["url"], task.json["labels"]) == ("http://a.test/", {"schedule": "report"})


async def test_the_list_is_by_name_in_pages(api: Api) -> None:
    for name in ("c", "a", "b"):
        await create(api, name)
    first = (await api.get("/schedules?limit=2")).json
    assert [each["name"] for each in first["schedules"]] == ["a", "b"]
    second = (await api.get(f"/schedules?limit=2&cursor={first['next_cursor']}")).json
    assert ([each["name"] for each in second["schedules"]], second["next_cursor"]) == (["c"], None)
    await api.refusal(400, "bad_query", "GET", "/schedules?limit=0")


async def test_no_secret_of_a_template_is_shown(api: Api) -> None:
    """Its headers are masked, of its body only that there is one."""
    task = {"url": "http://a.test/", "headers": {"Authorization": "s3cret", "Accept": "b"}, "body": "s3cret"}
    answer = await create(api, task=task)
    assert answer.json["task"] == {
        "url": "http://a.test/",
        "headers": {"Authorization": "***", "Accept": "b"},
        "has_body": True,
    }


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        ({"name": "a", "cron": "x", "task": {"url": "http://a/"}}, 422, "schedule_invalid", ["cron"]),
        ({"cron": "@daily", "task": {"url": "http://a/"}}, 422, "schedule_invalid", ["name"]),
        ({"name": "a", "cron": "@daily", "task": {"delay": 1}}, 422, "schedule_invalid", ["task.delay"]),
        ({}, 422, "schedule_invalid", ["cron", "task"]),
    ],
)
async def test_bad_schedules_are_refused(
    api: Api, body: Any, status: int, code: str, fields: list[str]
) -> None:
    members = await api.refusal(status, code, "POST", "/schedules", json=body)
    assert [error["field"] for error in members["errors"]] == fields


async def test_a_body_that_is_no_json(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    await api.refusal(400, "bad_json", "POST", "/schedules", data=b"{", headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/schedules/none"),
        ("DELETE", "/schedules/none"),
        ("POST", "/schedules/none/pause"),
        ("POST", "/schedules/none/resume"),
        ("POST", "/schedules/none/run"),
        ("GET", "/schedules/%00"),
    ],
)
async def test_an_unknown_schedule(api: Api, method: str, path: str) -> None:
    await api.refusal(404, "schedule_unknown", method, path)


async def test_the_store_is_away(api: Api) -> None:
    """503 with a time to try again."""
    api.redis.connected = False
    await api.refusal(503, "store_unavailable", "POST", "/schedules", json={"name": "a", **FIELDS})


async def test_every_answer_shows_the_next_five_runs(api: Api) -> None:
    """None while it is paused."""
    shown = (await create(api, cron="0 6 * * *", time_zone="UTC")).json
    assert shown["next_runs"][0] == shown["next_at"]
    assert len(shown["next_runs"]) == 5
    assert all(each.endswith("T06:00:00Z") for each in shown["next_runs"])
    (listed,) = (await api.get("/schedules")).json["schedules"]
    assert listed["next_runs"] == shown["next_runs"] == (await api.get("/schedules/report")).json["next_runs"]
    assert (await api.ask("POST", "/schedules/report/pause")).json["next_runs"] == []
    assert (await api.ask("POST", "/schedules/report/resume")).json["next_runs"] == shown["next_runs"]


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ({"url": "http://a.test/", "headers": {"Authorization": "***"}}, "headers"),
        ({"url": "http://a.test/", "headers": {"x-any": "***"}}, "headers"),
        ({"url": "http://a.test/?a=1&token=***"}, "url"),
        ({"url": "http://a.test/?token=***&a=1#x"}, "url"),
        ({"url": "http://a.test/", "callback": {"url": "http://a.test/?sig=***"}}, "callback.url"),
    ],
)
async def test_a_masked_value_is_refused_in_every_write(api: Api, task: Any, field: str) -> None:
    """What an answer shows in place of a secret is no secret."""
    problem = await api.refusal(422, "task_invalid", "POST", "/tasks", json=task)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert "masked" in problem["errors"][0]["message"]
    (item,) = (await api.ask("POST", "/tasks/batch", json=[task])).json["items"]
    assert item["status"] == 422
    for method, path in (("POST", "/schedules"), ("PUT", "/schedules/report")):
        body = {**FIELDS, "name": "report", "task": task}
        problem = await api.refusal(422, "schedule_invalid", method, path, json=body)
        assert [error["field"] for error in problem["errors"]] == [f"task.{field}"]


async def test_stars_elsewhere_are_taken(api: Api) -> None:
    """They mask nothing there."""
    fine = {"headers": {"Accept": "a/***"}, "body": "***", "labels": {"a": "***"}}
    assert (await api.submit(**fine)).status == 202
    assert (await api.submit(url="http://a.test/***?q=a***b")).status == 202


async def test_a_patch_keeps_what_it_does_not_name(api: Api) -> None:
    """The secret header and the body stay as they came; null removes a field (RFC 7396)."""
    body = '{"n": 1.10, "n": 12345678901234567890.123456789}'
    raw = (
        '{"name":"report","cron":"@hourly","jitter":5,"task":{"url":"http://a.test/","method":"POST",'
        f'"headers":{{"Authorization":"s3cret","X-A":"b"}},"timeout":9,"body":{body}}}}}'
    )
    headers = {"Content-Type": "application/json"}
    assert (await api.ask("POST", "/schedules", data=raw, headers=headers)).status == 201
    patch = {
        "cron": "@daily",
        "jitter": None,
        "task": {"headers": {"X-A": None, "Accept": "c"}, "timeout": None},
    }
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await api.ask("PATCH", "/schedules/report", data=json.dumps(patch), headers=headers)
    assert answer.status == 200, answer.content
    assert (answer.json["cron"], answer.json["jitter"]) == ("@daily", 0)
    assert answer.json["task"]["headers"] == {"Authorization": "***", "Accept": "c"}
    assert "timeout" not in answer.json["task"]
    run = await api.ask("POST", "/schedules/report/run")
    record = await api.store.get(run.json["id"])
    assert record is not None
    assert record.task.body == body
    assert record.task.headers["Authorization"] == "s3cret"


@pytest.mark.parametrize(
    ("patch", "status", "code"),
    [
        ({"task": {"headers": {"Authorization": "***"}}}, 422, "schedule_invalid"),
        ({"cron": "*/90 * * * *"}, 422, "schedule_invalid"),
        ({"cron": None}, 422, "schedule_invalid"),
        ({"next_at": None, "colour": "blue"}, 422, "schedule_invalid"),
        ({"name": "other"}, 422, "schedule_invalid"),
        ({"task": None}, 422, "schedule_invalid"),
        ([], 400, "bad_json"),
    ],
)
async def test_a_patch_that_makes_no_schedule_is_refused(
    api: Api, patch: Any, status: int, code: str
) -> None:
    """And changes nothing."""
    before = (await create(api)).json
    await api.refusal(status, code, "PATCH", "/schedules/report", json=patch)
    assert (await api.get("/schedules/report")).json == before
    await api.refusal(404, "schedule_unknown", "PATCH", "/schedules/nobody", json={"cron": "@daily"})
