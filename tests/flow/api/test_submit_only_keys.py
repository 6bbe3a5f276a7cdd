"""A key with the scope `submit` alone: its submits tell it nothing that reading would."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_client import client_of

URL = "http://example.com/"
RESULT = Response(status=200, body=b"done", size_bytes=4, content_type="text/plain")
HELD = {"url": URL, "dedup": {"key": "k", "ttl": "10m"}}


async def held(api: Api) -> None:
    """A task of another key that holds the dedup key, and its result."""
    secret = await api.make_key("other", Scope.SUBMIT, Scope.READ_ALL)
    body = {**HELD, "id": "a", "url": "http://other.test/secret"}
    assert (await api.ask("POST", "/tasks", json=body, headers=bearer(secret))).status == 202
    await api.finish("a", Status.SUCCEEDED, RESULT)


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait=50"}])
async def test_it_is_told_only_which_task_holds_a_dedup_key(api: Api, prefer: dict[str, str]) -> None:
    """With `read` it is told everything."""
    await held(api)
    writer = bearer(await api.make_key("writer", Scope.SUBMIT, Scope.READ_ALL))
    answer = await api.ask("POST", "/tasks", json=HELD, headers={**writer, **prefer})
    assert (answer.status, answer.json) == (200, {"id": "a", "deduplicated": True})
    assert (answer.headers["Deduplicated"], answer.headers["Location"]) == ("true", "/tasks/a")
    reader = bearer(await api.make_key("reader", Scope.SUBMIT, Scope.READ, Scope.READ_ALL))
    answer = await api.ask("POST", "/tasks", json=HELD, headers={**reader, **prefer})
    assert answer.json["result"]["body"] == "done"


async def test_a_batch_tells_it_no_more(api: Api) -> None:
    await held(api)
    writer = bearer(await api.make_key("writer", Scope.SUBMIT, Scope.READ_ALL))
    answer = await api.ask("POST", "/tasks/batch", json=[HELD], headers=writer)
    (item,) = answer.json["items"]
    assert (item["status"], item["id"], item["url"]) == (200, "a", URL)


async def test_the_command_line_takes_the_short_answer(api: Api) -> None:
    await held(api)
    secret = await api.make_key("writer", Scope.SUBMIT, Scope.READ_ALL)
    submitted = await asyncio.to_thread(client_of(api, secret).submit, HELD)
    assert submitted == {"id": "a", "url": URL, "created": False, "published": False}


async def test_a_repetition_has_no_result(api: Api) -> None:
    """Of its own task it sees what it has sent, and the status."""
    writer = bearer(await api.make_key("writer", Scope.SUBMIT))
    body: dict[str, Any] = {"json": {"url": URL, "id": "a"}, "headers": writer}
    assert (await api.ask("POST", "/tasks", **body)).status == 202
    await api.finish("writer~a", Status.FAILED, RESULT)
    answer = await api.ask("POST", "/tasks", **body)
    assert (answer.status, answer.headers["Idempotency-Replayed"]) == (202, "true")
    assert (answer.json["id"], answer.json["url"], answer.json["status"]) == ("a", URL, "failed")
    assert [answer.json[name] for name in ("attempts", "result", "error", "reason")] == [[], None, None, None]
