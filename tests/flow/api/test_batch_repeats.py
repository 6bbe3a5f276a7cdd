"""Items of a batch for a disabled executor: each is answered as `POST /tasks` answers it alone."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.batch_submit import BatchSubmit
from taskrunner.producer.intake import Intake
from tests.flow.api.harness import Api

NAME = "resize_image"
LINES = {"Content-Type": "application/x-ndjson"}
BY_ID = {"executor": NAME, "id": "known", "data": {"a": 1}}
BY_KEY = {"executor": NAME, "idempotency_key": "known", "data": {"a": 1}}
# The status and the code of each, and whether it is a task that exists.
CASES: list[tuple[dict[str, Any], int, str | None]] = [
    (BY_ID, 202, None),
    (BY_KEY, 202, None),
    ({**BY_ID, "idempotency_key": "known by id and key"}, 202, None),
    ({**BY_ID, "data": {"a": 2}}, 409, "state_conflict"),
    ({**BY_KEY, "data": {"a": 2}}, 422, "idempotency_key_reused"),
    ({**BY_ID, "id": "new"}, 409, "executor_disabled"),
    ({**BY_KEY, "idempotency_key": "new"}, 409, "executor_disabled"),
    ({"executor": NAME, "data": {"a": 1}}, 409, "executor_disabled"),
    ({**BY_ID, "id": "gone"}, 409, "state_conflict"),
    ({**BY_ID, "data": 5}, 422, "task_invalid"),
    ({"executor": NAME, "data": 5}, 409, "executor_disabled"),
    ({"url": "http://example.com/", "id": "other"}, 202, None),
]


@pytest.fixture
async def disabled(api: Api) -> Api:
    """Its executor is disabled, and tasks of it exist."""
    await api.make_executor(NAME, schema={"type": "object"})
    for task in (BY_ID, BY_KEY, {**BY_ID, "idempotency_key": "known by id and key"}, {**BY_ID, "id": "gone"}):
        assert (await alone(api, task))[0] == 202
    await api.ask("DELETE", "/tasks/gone")
    await api.ask("PATCH", f"/executors/{NAME}", json={"enabled": False})
    return api


async def alone(api: Api, task: dict[str, Any]) -> tuple[int, str | None, str | None]:
    """Status, code and id that `POST /tasks` answers."""
    fields = {name: value for name, value in task.items() if name != "idempotency_key"}
    key = task.get("idempotency_key")
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await api.ask("POST", "/tasks", json=fields, headers=headers)
    return answer.status, answer.json.get("code"), answer.json.get("id")


def told(items: Sequence[dict[str, Any]]) -> list[tuple[int, str | None, str | None]]:
    return [(each["status"], each["code"], each["id"]) for each in items]


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_each_item_is_answered_as_alone(disabled: Api, query: str) -> None:
    """In an array, as a line, and by a dry run."""
    tasks = [task for task, _, _ in CASES]
    expected = [await alone(disabled, task) for task in tasks]
    assert [each[:2] for each in expected] == [(status, code) for _, status, code in CASES]
    lines = "\n".join(map(json.dumps, tasks))
    for body in ({"json": tasks}, {"data": lines, "headers": LINES}):
        answer = await disabled.ask("POST", f"/tasks/batch{query}", **body)
        assert told(answer.json["items"]) == expected
        assert [each["line"] for each in answer.json["items"]] == list(range(1, len(tasks) + 1))


@pytest.mark.parametrize(("task", "status", "code"), CASES)
async def test_an_atomic_batch_takes_what_is_taken_alone(
    disabled: Api, task: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await disabled.ask("POST", "/tasks/batch?atomic=true", json=[task])
    if code is None:
        assert told(answer.json["items"]) == [await alone(disabled, task)]
    else:
        assert (answer.status, answer.json["code"]) == (status, "batch_refused")


async def test_a_batch_is_repeated_under_its_key(api: Api) -> None:
    """Item by item, also the second time of a batch that has grown."""
    await api.make_executor(NAME)
    headers = {"Idempotency-Key": "batch"}
    tasks = [{"executor": NAME, "data": number} for number in range(3)]
    first = (await api.ask("POST", "/tasks/batch", json=tasks, headers=headers)).json["items"]
    await api.ask("PATCH", f"/executors/{NAME}", json={"enabled": False})
    tasks.append({"executor": NAME, "data": 3})
    again = (await api.ask("POST", "/tasks/batch", json=tasks, headers=headers)).json["items"]
    assert told(again) == [*told(first), (409, "executor_disabled", None)]
    assert [each["created"] for each in again] == [False] * 4


async def test_a_stream_of_lines_is_repeated(disabled: Api) -> None:
    """As `produce --file` sends it to a store, with ids by line."""
    intake = disabled.intake
    base = TaskDraft(url="http://example.com/")
    lines = [json.dumps(task).encode() for task, _, _ in CASES]
    batches = [each async for each in BatchSubmit(intake, base, patience=1).submit(lines)]
    taken = {number for number, (_, status, _) in enumerate(CASES, start=1) if status == 202}
    assert {number for done in batches for number in done.numbers} == taken
    refused = {each.number for done in batches for each in done.refused}
    assert refused == {*range(1, len(CASES) + 1)} - taken


async def test_an_outage_is_told_of_a_line_for_a_disabled_executor(
    disabled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its task exists cannot be known now."""

    async def away(self: Intake, batch: object) -> list[bool]:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(Intake, "are_known", away)
    await disabled.refusal(503, "store_unavailable", "POST", "/tasks/batch", json=[BY_ID])
