"""Something done to all that conditions choose, by the API."""

from datetime import UTC, datetime

import pytest

from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.status import Status
from tests.flow.api.harness import Api


async def failed(api: Api, count: int, **fields: object) -> list[str]:
    ids = []
    for _ in range(count):
        ids.append((await api.submit(**fields)).json["id"])
        await api.finish(ids[-1], Status.FAILED)
    return ids


async def test_dead_letters_are_requeued_by_conditions(api: Api) -> None:
    red = await failed(api, 3, labels={"team": "red"})
    (blue,) = await failed(api, 1)
    path = "/dead-letters/requeue?label=team=red"
    counted = await api.ask("POST", f"{path}&dry_run=true")
    assert counted.json == {
        "action": "requeue",
        "dry_run": True,
        "matched": 3,
        "done": 0,
        "next_cursor": None,
        "stopped": False,
        "ended": 0,
        "failed": 0,
    }
    first = (await api.ask("POST", f"{path}&limit=2")).json
    assert (first["matched"], first["done"]) == (2, 2)
    second = (await api.ask("POST", f"{path}&limit=2&cursor={first['next_cursor']}")).json
    assert (second["matched"], second["done"], second["next_cursor"]) == (1, 1, None)
    statuses = [(await api.get(f"/tasks/{task_id}")).json["status"] for task_id in (*red, blue)]
    assert statuses == ["queued"] * 3 + ["failed"]


async def test_a_rate_makes_them_due_one_after_the_other(api: Api) -> None:
    ids = await failed(api, 3)
    assert (await api.ask("POST", "/dead-letters/requeue?all=true&rate=0.5")).json["done"] == 3
    records = [(await api.get(f"/tasks/{task_id}")).json for task_id in ids]
    assert {record["status"] for record in records} == {"scheduled"}
    dues = sorted(datetime.fromisoformat(record["due_at"]) for record in records)
    assert [round((due - dues[0]).total_seconds()) for due in dues] == [0, 2, 4]


async def test_a_rollout_stops_when_too_many_fail_again(api: Api) -> None:
    """Each request judges by how those before went on; who goes on all the same may."""
    await failed(api, 60)
    path = "/dead-letters/requeue?all=true&limit=10&stop_at=50"
    first = (await api.ask("POST", path)).json
    again = [task["id"] for task in (await api.get("/tasks?status=queued")).json["tasks"]]
    second = (await api.ask("POST", f"{path}&cursor={first['next_cursor']}")).json
    assert (len(again), first["done"], second["done"], second["ended"]) == (10, 10, 10, 0)
    for place, task_id in enumerate(again):
        await api.finish(task_id, Status.FAILED if place < 6 else Status.SUCCEEDED)
    third = (await api.ask("POST", f"{path}&cursor={second['next_cursor']}")).json
    assert (third["stopped"], third["matched"], third["ended"], third["failed"]) == (True, 0, 10, 6)
    gentle = (await api.ask("POST", f"{path.replace('50', '60')}&cursor={second['next_cursor']}")).json
    assert (gentle["stopped"], gentle["done"], gentle["failed"]) == (False, 10, 6)
    on = (await api.ask("POST", f"{path}&cursor={third['next_cursor']}")).json
    assert (on["stopped"], on["ended"]) == (False, 0)


async def test_dead_letters_are_purged_and_deleted(api: Api) -> None:
    """What is purged is gone as a task too."""
    ids = await failed(api, 2)
    message = DeadLetter(
        id="message-1",
        kind=DeadLetterKind.MESSAGE,
        reason="rejected",
        error=None,
        died_at=datetime.now(UTC),
        raw=b"x",
    )
    await api.store.add_dead_messages([message], retention=100)
    assert (await api.ask("DELETE", "/dead-letters/message-1")).status == 204
    await api.refusal(404, "task_unknown", "DELETE", "/dead-letters/message-1")
    assert (await api.ask("POST", "/dead-letters/purge?host=example.com")).json["done"] == 2
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{ids[0]}")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "all"),
        ("?all=false", "all"),
        ("?all=yes", "all"),
        ("?all=true&rate=0", "rate"),
        ("?all=true&rate=fast", "rate"),
        ("?all=true&limit=1001", "limit"),
        ("?all=true&cursor=nonsense", "cursor"),
        ("?all=true&dry_run=1", "dry_run"),
        ("?all=true&stop_at=101", "stop_at"),
        ("?all=true&stop_at=half", "stop_at"),
        ("?all=true&cursor=1:t:x|1|2", "cursor"),
        ("?all=true&cursor=1:t:x|one|2|", "cursor"),
        ("?status=failed", "status"),
    ],
)
async def test_what_is_not_clearly_meant_is_refused(api: Api, query: str, field: str) -> None:
    problem = await api.refusal(400, "bad_query", "POST", f"/dead-letters/requeue{query}")
    assert field in {error["field"] for error in problem["errors"]}


async def test_conditions_hold_beside_all(api: Api) -> None:
    """`all=true` allows a query without conditions; it does not take them away."""
    await api.submit(id="high", priority="high")
    await api.submit(id="low", priority="low")
    answer = await api.ask("POST", "/tasks/cancel?all=true&queue=high")
    assert (answer.json["matched"], answer.json["done"]) == (1, 1)
    assert (await api.get("/tasks/low")).json["status"] == "queued"


async def statuses(api: Api, ids: list[str]) -> list[int | str]:
    answers = [await api.get(f"/tasks/{task_id}") for task_id in ids]
    return [answer.json["status"] for answer in answers]


async def test_tasks_are_cancelled_by_conditions(api: Api) -> None:
    """In every live status; what has ended is not touched, nor what does not match."""
    scheduled = [(await api.submit(delay=60, labels={"a": "1"})).json["id"] for _ in range(2)]
    queued = [(await api.submit(labels={"a": "1"})).json["id"] for _ in range(2)]
    other = (await api.submit(delay=60)).json["id"]
    (ended,) = await failed(api, 1, labels={"a": "1"})
    path = "/tasks/cancel?label=a=1"
    assert (await api.ask("POST", f"{path}&dry_run=true")).json["matched"] == 4
    done, more = 0, ""
    for _ in range(10):
        answer = (await api.ask("POST", f"{path}&limit=1{more}")).json
        assert answer["matched"] <= 1
        done += answer["done"]
        if answer["next_cursor"] is None:
            break
        more = f"&cursor={answer['next_cursor']}"
    assert done == 4
    assert await statuses(api, [*scheduled, *queued]) == ["cancelled"] * 4
    assert await statuses(api, [other, ended]) == ["scheduled", "failed"]


async def test_failed_tasks_are_retried_by_conditions(api: Api) -> None:
    ids = await failed(api, 2)
    live = (await api.submit(delay=60)).json["id"]
    answer = await api.ask("POST", "/tasks/requeue?all=true")
    assert answer.json == {
        "action": "requeue",
        "dry_run": False,
        "matched": 2,
        "done": 2,
        "next_cursor": None,
    }
    assert await statuses(api, [*ids, live]) == ["queued", "queued", "scheduled"]


async def test_tasks_are_deleted_by_conditions(api: Api) -> None:
    """Whatever their status, or those of one."""
    ids = await failed(api, 2)
    await api.submit(delay=60)
    assert (await api.ask("POST", "/tasks/delete?status=failed")).json["done"] == 2
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{ids[0]}")
    assert (await api.ask("POST", "/tasks/delete?all=true")).json["done"] == 1
    assert set((await api.store.counts()).values()) == {0}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/tasks/cancel", "all"),
        ("/tasks/cancel?status=failed", "status"),
        ("/tasks/requeue?status=queued", "status"),
        ("/tasks/delete?all=true&cursor=nonsense", "cursor"),
        ("/tasks/requeue?all=true&cursor=queued:x", "cursor"),
    ],
)
async def test_what_cannot_be_done_is_refused(api: Api, path: str, field: str) -> None:
    problem = await api.refusal(400, "bad_query", "POST", path)
    assert field in {error["field"] for error in problem["errors"]}
