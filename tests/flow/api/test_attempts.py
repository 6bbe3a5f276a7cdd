"""`/tasks/{id}/attempts`: every attempt can be read, in three forms."""

import pytest

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api


async def finished(api: Api) -> str:
    task_id: str = (await api.submit(headers={"Cookie": "s3cret"})).json["id"]
    await api.finish(task_id, Status.SUCCEEDED, Response(status=200, body=b"hi", size_bytes=2))
    return task_id


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_as_json(api: Api, prefix: str) -> None:
    task_id = await finished(api)
    one = await api.get(f"{prefix}/tasks/{task_id}/attempts/1")
    every = await api.get(f"{prefix}/tasks/{task_id}/attempts")
    assert (one.status, every.status) == (200, 200)
    assert every.json == {"attempts": [one.json]}
    assert (one.json["number"], one.json["response"]["status_code"]) == (1, 200)
    assert b"s3cret" not in one.content


async def test_as_an_archive(api: Api) -> None:
    task_id = await finished(api)
    for path in (f"/tasks/{task_id}/attempts", f"/tasks/{task_id}/attempts/1"):
        (entry,) = (await api.get(f"{path}?format=har")).json["log"]["entries"]
        assert entry["response"]["status"] == 200


async def test_as_a_command(api: Api) -> None:
    answer = await api.get(f"/tasks/{await finished(api)}/attempts/1?format=curl")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"\ncurl http://example.com/ " in answer.content


async def test_a_task_that_has_not_begun_has_none(api: Api) -> None:
    task_id = (await api.submit(delay=60)).json["id"]
    assert (await api.get(f"/tasks/{task_id}/attempts")).json == {"attempts": []}


@pytest.mark.parametrize("number", ["0", "2", "x", "-1", "1.0", "99999999999"])
async def test_one_that_there_is_not(api: Api, number: str) -> None:
    await api.refusal(404, "attempt_unknown", "GET", f"/tasks/{await finished(api)}/attempts/{number}")


async def test_a_form_that_there_is_not(api: Api) -> None:
    task_id = await finished(api)
    await api.refusal(400, "bad_query", "GET", f"/tasks/{task_id}/attempts/1?format=xml")
    await api.refusal(400, "bad_query", "GET", f"/tasks/{task_id}/attempts?format=curl")
    await api.refusal(404, "task_unknown", "GET", "/tasks/nobody/attempts")
