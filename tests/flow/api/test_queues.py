"""Queues declared by the API: what may be declared, and what tasks may then name."""

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.queues.queue import MAX_QUEUES
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer


async def put(api: Api, name: str, **fields: object) -> int:
    return (await api.ask("PUT", f"/queues/{name}", json=fields)).status


async def test_a_queue_is_declared_changed_and_deleted(api: Api) -> None:
    made = await api.ask("PUT", "/queues/reports", json={"weight": 3})
    assert (made.status, made.headers["Location"]) == (201, "/queues/reports")
    assert made.json == {"name": "reports", "weight": 3, "declared_by": "api"}
    assert await put(api, "reports", weight=5) == 200
    shown = (await api.get("/queues/reports")).json
    assert (shown["weight"], shown["declared_by"], shown["ready"]) == (5, "api", 0)
    listed = [each["name"] for each in (await api.get("/queues")).json["queues"]]
    assert listed == ["high", "medium", "low", "reports"]
    assert (await api.ask("DELETE", "/queues/reports")).status == 204
    await api.refusal(404, "queue_unknown", "GET", "/queues/reports")
    await api.refusal(404, "queue_unknown", "DELETE", "/queues/reports")


async def test_a_queue_has_the_least_weight_by_default(api: Api) -> None:
    assert (await api.ask("PUT", "/queues/reports", json={})).json["weight"] == 1


@pytest.mark.parametrize("name", ["a.b", "a b", "é", "x" * 65, "dead", "dlx", "a:b", "*"])
async def test_a_name_that_no_queue_can_have_is_refused(api: Api, name: str) -> None:
    problem = await api.refusal(422, "queue_invalid", "PUT", f"/queues/{name}", json={})
    assert problem["errors"][0]["field"] == "name"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"weight": 0}, "weight"),
        ({"weight": 1001}, "weight"),
        ({"weight": "3"}, "weight"),
        ({"weight": 1.5}, "weight"),
        ({"wieght": 1}, "wieght"),
    ],
    ids=str,
)
async def test_a_bad_declaration_is_refused(api: Api, fields: dict[str, object], field: str) -> None:
    problem = await api.refusal(422, "queue_invalid", "PUT", "/queues/reports", json=fields)
    assert problem["errors"][0]["field"] == field
    await api.refusal(404, "queue_unknown", "GET", "/queues/reports")


async def test_there_may_be_a_hundred_queues(api: Api) -> None:
    for number in range(MAX_QUEUES - 3):
        assert await put(api, f"q{number}") == 201
    problem = await api.refusal(409, "state_conflict", "PUT", "/queues/more", json={})
    assert "100 queues are declared, and at most 100: delete one" in problem["detail"]
    assert await put(api, "q7", weight=2) == 200


async def test_a_task_waits_in_a_declared_queue_only(api: Api) -> None:
    """One by one, in a batch and in a schedule; a dry run tells it as well."""
    await put(api, "reports")
    task = (await api.submit(queue="reports")).json
    assert task["queue"] == "reports"
    problem = await api.refusal(
        422, "task_invalid", "POST", "/tasks", json={"url": "http://a.test/", "queue": "report"}
    )
    (error,) = problem["errors"]
    assert error["field"] == "queue"
    assert error["message"] == (
        "must be a declared queue (high, medium, low, reports), got 'report', did you mean \"reports\"?"
    )
    bad = {"url": "http://a.test/", "queue": "nowhere"}
    await api.refusal(422, "task_invalid", "POST", "/tasks?dry_run=true", json=bad)
    batch = await api.ask("POST", "/tasks/batch", json=[bad, {**bad, "queue": "reports"}])
    assert [each["code"] for each in batch.json["items"]] == ["task_invalid", None]
    schedule = {"name": "s", "cron": "@daily", "task": bad}
    problem = await api.refusal(422, "schedule_invalid", "POST", "/schedules", json=schedule)
    assert problem["errors"][0]["field"] == "task.queue"


async def test_only_a_declared_queue_can_be_paused(api: Api) -> None:
    """A pause of a queue that is gone can still be ended."""
    problem = await api.refusal(400, "bad_query", "POST", "/pause?queue=reports")
    assert "must be a declared queue" in problem["detail"]
    await put(api, "reports")
    assert (await api.ask("POST", "/pause?queue=reports")).status == 200
    assert (await api.get("/queues/reports")).json["paused"]["scope"] == "queue:reports"
    await api.ask("DELETE", "/queues/reports")
    assert (await api.ask("POST", "/resume?queue=reports")).json == {"pauses": []}


async def test_a_queue_with_live_tasks_stays(api: Api) -> None:
    await put(api, "reports")
    task_id = (await api.submit(queue="reports", delay=60)).json["id"]
    problem = await api.refusal(409, "state_conflict", "DELETE", "/queues/reports")
    assert f"such as {task_id}" in problem["detail"]
    await api.ask("POST", f"/tasks/{task_id}/cancel")
    assert (await api.ask("DELETE", "/queues/reports")).status == 204


async def test_a_queue_with_messages_of_others_stays(api: Api) -> None:
    """They have no record before a consumer has read them."""
    await put(api, "reports")
    foreign = Publication(queue="reports", body=b'{"url": "http://a.test/"}', task_id="x")
    await api.broker.publish([foreign])
    problem = await api.refusal(409, "state_conflict", "DELETE", "/queues/reports")
    assert "has 1 messages in the broker" in problem["detail"]


async def test_a_queue_of_the_configuration_stays(api: Api) -> None:
    for name in ("high", "medium", "low"):
        problem = await api.refusal(409, "state_conflict", "DELETE", f"/queues/{name}")
        assert "the configuration declares the queue" in problem["detail"]


async def test_without_the_broker_no_queue_is_declared(api: Api) -> None:
    """A weight changes all the same."""
    await put(api, "reports")
    await api.broker.stop()
    await api.refusal(503, "broker_unavailable", "PUT", "/queues/mails", json={})
    await api.refusal(404, "queue_unknown", "GET", "/queues/mails")
    assert await put(api, "reports", weight=2) == 200


async def test_a_queue_that_the_broker_refuses_is_not_declared(api: Api) -> None:
    """The error has the broker's reason, and nothing is stored."""
    api.broker.refuse_queues = frozenset({"reports"})
    problem = await api.refusal(409, "state_conflict", "PUT", "/queues/reports", json={})
    assert problem["detail"] == "the broker refuses to declare the queue reports: refused by a test"
    await api.refusal(404, "queue_unknown", "GET", "/queues/reports")
    bad = {"url": "http://a.test/", "queue": "reports"}
    await api.refusal(422, "task_invalid", "POST", "/tasks", json=bad)


async def test_why_a_task_waits_in_its_queue(api: Api) -> None:
    """Nobody serves it; or it is not declared any more."""
    await put(api, "reports")
    task_id = (await api.submit(queue="reports")).json["id"]
    await api.queued(task_id)
    (reason,) = (await api.get(f"/tasks/{task_id}/explain")).json["reasons"]
    assert reason["code"] == "no_consumer"
    assert "No consumer serves the queue reports" in reason["text"]
    (stored,) = await api.store.queues()
    assert await api.store.delete_queue(stored)
    await put(api, "other")
    (reason,) = (await api.get(f"/tasks/{task_id}/explain")).json["reasons"]
    assert reason["code"] == "queue_undeclared"
    assert "taskrunner queues declare reports" in reason["text"]


async def test_who_sees_only_its_own_declares_nothing(api: Api) -> None:
    """A queue belongs to no key."""
    mine = bearer(await api.make_key("mine", Scope.SUBMIT, Scope.READ, Scope.OPERATE))
    await api.refusal(403, "scope_missing", "PUT", "/queues/reports", headers=mine, json={})
    await api.refusal(403, "scope_missing", "DELETE", "/queues/low", headers=mine)
