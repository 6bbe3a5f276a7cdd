"""Cancelling and deleting by the API."""

import pytest

from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_task_is_cancelled(api: Api, prefix: str) -> None:
    """The answer is the task; asking again gives the same."""
    task_id = (await api.submit(delay=60)).json["id"]
    first, second = [await api.ask("POST", f"{prefix}/tasks/{task_id}/cancel") for _ in range(2)]
    assert (first.status, first.json["status"], first.json["due_at"]) == (200, "cancelled", None)
    assert (second.status, second.json) == (200, first.json)


async def test_what_has_ended_is_not_cancelled(api: Api) -> None:
    task_id = (await api.submit()).json["id"]
    await api.finish(task_id, Status.SUCCEEDED)
    problem = await api.refusal(409, "state_conflict", "POST", f"/tasks/{task_id}/cancel")
    assert "succeeded" in problem["detail"]


async def test_a_task_is_deleted(api: Api) -> None:
    """204 once, 404 from then on; the id is not free for another task."""
    task_id = (await api.submit(id="mine")).json["id"]
    answer = await api.ask("DELETE", f"/tasks/{task_id}")
    assert (answer.status, answer.content) == (204, b"")
    await api.refusal(404, "task_unknown", "DELETE", f"/tasks/{task_id}")
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{task_id}")
    await api.refusal(404, "task_unknown", "POST", f"/tasks/{task_id}/cancel")
    task = {"url": "http://example.com/", "id": "mine"}
    await api.refusal(409, "state_conflict", "POST", "/tasks", json=task)


async def test_an_id_that_no_task_can_have_is_unknown(api: Api) -> None:
    await api.refusal(404, "task_unknown", "POST", "/tasks/%20/cancel")
    await api.refusal(404, "task_unknown", "DELETE", "/tasks/%20")
