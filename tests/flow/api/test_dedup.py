"""`dedup` on submits: return, reject and replace; alone, in batches, from schedules."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef
from tests.flow.api.harness import Answer, Api
from tests.tools.waiting import eventually

URL = "http://example.com/"


async def submit(api: Api, key: str = "k", mode: str = "return", **task: Any) -> Answer:
    ttl = {"ttl": task.pop("ttl")} if "ttl" in task else {}
    return await api.submit(dedup={"key": key, "mode": mode, **ttl}, delay=60, **task)


async def test_return_answers_with_the_task_that_holds_the_key(api: Api) -> None:
    """200 with that task as it is now, told by a header and a member."""
    first = await submit(api, ttl="10m", method="POST")
    assert (first.status, first.json["dedup"]) == (202, {"key": "k", "ttl": 600.0, "mode": "return"})
    again = await submit(api, method="PUT")
    assert (again.status, again.json["id"], again.json["method"]) == (200, first.json["id"], "POST")
    assert again.headers["Deduplicated"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json["deduplicated"] is True
    assert "Deduplicated" not in first.headers
    assert "deduplicated" not in first.json
    assert (await api.store.counts())[Status.SCHEDULED] == 1


def delete_when_read(api: Api, doomed: str) -> None:
    """The next read of a record comes just after its task was deleted."""
    get = api.store.get

    async def deleted(task_id: str) -> Record | None:
        api.store.get = get  # type: ignore[method-assign]  # as before
        assert (await api.ask("DELETE", f"/tasks/{doomed}")).status == 204
        return await get(task_id)

    api.store.get = deleted  # type: ignore[method-assign]  # to delete at this moment


async def test_a_holder_that_is_deleted_meanwhile_frees_the_key(api: Api) -> None:
    """The new task is accepted: the answer cannot show a task that is gone."""
    first = await submit(api)
    delete_when_read(api, first.json["id"])
    again = await submit(api)
    assert (again.status, "Deduplicated" in again.headers) == (202, False)
    assert again.json["id"] != first.json["id"]


async def test_a_holder_that_is_deleted_during_a_wait_frees_the_key(api: Api) -> None:
    first = await submit(api)
    body = {"url": URL, "dedup": {"key": "k"}}
    waiting = asyncio.create_task(api.ask("POST", "/tasks", json=body, headers={"Prefer": "wait=50"}))
    await eventually(lambda: api.live.waits == 1)
    assert (await api.ask("DELETE", f"/tasks/{first.json['id']}")).status == 204
    again = await waiting
    assert (again.status, "Deduplicated" in again.headers) == (202, False)


async def test_a_task_that_is_deleted_while_it_is_submitted_again_is_a_conflict(api: Api) -> None:
    """The same problem as a moment later."""
    body = {"url": URL, "id": "a"}
    assert (await api.submit(id="a")).status == 202
    delete_when_read(api, "a")
    problems = [await api.refusal(409, "state_conflict", "POST", "/tasks", json=body) for _ in range(2)]
    assert "is deleted" in problems[0]["detail"]


async def test_reject_names_the_task_that_holds_the_key(api: Api) -> None:
    first = await submit(api)
    body = {"url": URL, "dedup": {"key": "k", "mode": "reject"}}
    problem = await api.refusal(409, "dedup_key_held", "POST", "/tasks", json=body)
    assert first.json["id"] in problem["detail"]
    assert "'k'" in problem["detail"]


async def test_replace_cancels_a_waiting_task(api: Api) -> None:
    """Its callback tells so."""
    callback = {"url": "http://hook.test/", "events": ["cancelled"]}
    first = await submit(api, callback=callback)
    second = await submit(api, mode="replace")
    assert (second.status, second.json["status"]) == (202, "scheduled")
    old = (await api.get(f"/tasks/{first.json['id']}")).json
    assert (old["status"], old["error"]) == ("cancelled", "replaced by a task with the same dedup key")
    urls = [task["url"] for task in (await api.get("/tasks")).json["tasks"]]
    assert sorted(urls) == [URL, URL, "http://hook.test/"]
    assert (await submit(api)).json["id"] == second.json["id"]


async def test_replace_leaves_a_running_task_alone(api: Api) -> None:
    """Both run: what the new task is about may have come after the old one began."""
    first = await submit(api)
    await start(api, first.json["id"])
    second = await submit(api, mode="replace")
    assert second.status == 202
    assert (await api.get(f"/tasks/{first.json['id']}")).json["status"] == "running"
    assert (await submit(api)).json["id"] == second.json["id"]


async def test_one_alive_at_a_time_without_a_ttl(api: Api) -> None:
    first = await submit(api)
    await api.finish(first.json["id"], Status.FAILED)
    assert (await submit(api)).status == 202


async def test_a_ttl_holds_the_key_beyond_the_end(api: Api) -> None:
    """And the record, whatever the retention is."""
    first = await submit(api, ttl="20d")
    await api.finish(first.json["id"], Status.SUCCEEDED)
    again = await submit(api)
    assert (again.status, again.json["status"]) == (200, "succeeded")
    record = await api.store.get(first.json["id"])
    assert record is not None
    assert record.kept_until is not None
    assert round((record.kept_until - record.task.created_at).total_seconds()) == 20 * 86_400


@pytest.mark.parametrize("end", ["cancel", "delete"])
async def test_cancelling_and_deleting_free_the_key(api: Api, end: str) -> None:
    first = await submit(api, ttl="1h")
    path = f"/tasks/{first.json['id']}"
    await (api.ask("DELETE", path) if end == "delete" else api.ask("POST", f"{path}/cancel"))
    assert (await submit(api)).status == 202


async def test_concurrent_replacements_leave_one_waiting(api: Api) -> None:
    """Each is accepted in turn; all but the last are cancelled."""
    answers = await asyncio.gather(*(submit(api, mode="replace") for _ in range(40)))
    assert {answer.status for answer in answers} == {202}
    counts = await api.store.counts()
    assert (counts[Status.SCHEDULED], counts[Status.CANCELLED]) == (1, 39)


async def test_an_idempotency_key_repeats_before_dedup(api: Api) -> None:
    """A repetition gets its own task, although that holds the key; another dedup is another request."""
    body: Any = {"json": {"url": URL, "dedup": {"key": "k", "mode": "reject"}}}
    headers = {"Idempotency-Key": "i"}
    first = await api.ask("POST", "/tasks", headers=headers, **body)
    again = await api.ask("POST", "/tasks", headers=headers, **body)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    other: Any = {"json": {"url": URL, "dedup": {"key": "other"}}}
    await api.refusal(422, "idempotency_key_reused", "POST", "/tasks", headers=headers, **other)


def line(key: str, mode: str = "return", **task: Any) -> dict[str, Any]:
    return {"url": URL, "delay": 60, "dedup": {"key": key, "mode": mode}, **task}


async def test_items_of_a_batch(api: Api) -> None:
    """As if they were submitted one after the other."""
    sent = [
        line("a", id="a1"),
        line("a", id="a2"),
        line("a", "reject", id="a3"),
        line("b", id="b1"),
        line("b", "replace", id="b2"),
    ]
    items = (await api.ask("POST", "/tasks/batch", json=sent)).json["items"]
    found = [(each["status"], each["code"], each["id"], each["created"]) for each in items]
    assert found == [
        (202, None, "a1", True),
        (200, None, "a1", False),
        (409, "dedup_key_held", None, False),
        (202, None, "b1", True),
        (202, None, "b2", True),
    ]
    assert items[2]["errors"][0]["field"] == "dedup.key"
    statuses = {task["id"]: task["status"] for task in (await api.get("/tasks")).json["tasks"]}
    assert statuses == {"a1": "scheduled", "b1": "cancelled", "b2": "scheduled"}


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ([line("free"), line("held", "reject")], 409, "2.dedup.key"),
        ([line("free"), line("free")], 422, "2.dedup.key"),
        ([line("free", "replace")], 422, "1.dedup.mode"),
    ],
)
async def test_an_atomic_batch_is_refused_whole(
    api: Api, sent: list[dict[str, Any]], status: int, field: str
) -> None:
    await api.ask("POST", "/tasks", json=line("held"))
    path = "/tasks/batch?atomic=true"
    problem = await api.refusal(status, "batch_refused", "POST", path, json=sent)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await api.store.counts())[Status.SCHEDULED] == 1


async def test_an_atomic_batch_returns_what_is_held(api: Api) -> None:
    """As it does for ids and idempotency keys: a repeated batch hinders itself in nothing."""
    held = (await api.ask("POST", "/tasks", json=line("held"))).json["id"]
    answer = await api.ask("POST", "/tasks/batch?atomic=true", json=[line("free"), line("held")])
    assert [(each["status"], each["id"] == held) for each in answer.json["items"]] == [
        (202, False),
        (200, True),
    ]


@pytest.mark.parametrize(
    ("dedup", "field"),
    [
        ({}, "dedup.key"),
        ({"key": ""}, "dedup.key"),
        ({"key": "x" * 256}, "dedup.key"),
        ({"key": "a\tb"}, "dedup.key"),
        ({"key": "ü"}, "dedup.key"),
        ({"key": " a"}, "dedup.key"),
        ({"key": "k", "ttl": 0}, "dedup.ttl"),
        ({"key": "k", "ttl": "31d"}, "dedup.ttl"),
        ({"key": "k", "ttl": "soon"}, "dedup.ttl"),
        ({"key": "k", "mode": "drop"}, "dedup.mode"),
        ({"key": "k", "for": 1}, "dedup.for"),
        ("k", "dedup"),
    ],
)
async def test_a_wrong_dedup_is_refused(api: Api, dedup: Any, field: str) -> None:
    body = {"url": URL, "dedup": dedup}
    problem = await api.refusal(422, "task_invalid", "POST", "/tasks", json=body)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    "dedup",
    [
        {"key": "x" * 255, "ttl": 2_592_000, "mode": "REPLACE"},
        {"key": "two words", "ttl": "1m30s", "mode": None},
        {"key": "~/'%", "ttl": None},
        None,
    ],
)
async def test_spellings_that_are_taken(api: Api, dedup: Any) -> None:
    assert (await api.submit(dedup=dedup)).status == 202


async def test_a_dry_run_foresees_dedup(api: Api) -> None:
    held = (await submit(api)).json["id"]

    async def foreseen(mode: str) -> Any:
        answer = await api.ask("POST", "/tasks?dry_run=true", json=line("k", mode))
        found = answer.json
        return [found[name] for name in ("created", "existing_id", "deduplicated", "replaces_id")]

    assert await foreseen("return") == [False, held, True, None]
    assert await foreseen("replace") == [True, None, False, held]
    await api.refusal(409, "dedup_key_held", "POST", "/tasks?dry_run=true", json=line("k", "reject"))
    assert (await api.store.counts())[Status.SCHEDULED] == 1


async def start(api: Api, task_id: str) -> None:
    """Begin the first attempt of a task."""
    now = api.clock.now()
    ref = AttemptRef(id=task_id, attempt=1)
    await api.store.claim([ref], now=now, lease_until=now + timedelta(seconds=30), consumer="c1")


@pytest.mark.parametrize("mode", ["return", "reject", "replace"])
async def test_running_a_schedule_by_hand(api: Api, mode: str) -> None:
    """Who asks for a run is told that there is none, and by which task."""
    held = (await submit(api)).json["id"]
    schedule = {"name": "s", "cron": "@daily", "task": {"url": URL, "dedup": {"key": "k", "mode": mode}}}
    assert (await api.ask("POST", "/schedules", json=schedule)).status == 201
    if mode == "replace":
        answer = await api.ask("POST", "/schedules/s/run")
        assert (answer.status, (await api.get(f"/tasks/{held}")).json["status"]) == (202, "cancelled")
        return
    problem = await api.refusal(409, "dedup_key_held", "POST", "/schedules/s/run")
    assert held in problem["detail"]
