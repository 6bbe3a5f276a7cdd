"""The client of `produce --api` with a key: what a good one may do, and what is told of another."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from taskrunner.cli.api_client import ApiClient
from taskrunner.cli.errors import exit_code
from taskrunner.domain.errors import CallerError, TaskInvalid
from taskrunner.domain.keys.api_key import Scope, new_secret
from tests.flow.api.harness import Api

URL = "http://example.com/"
USES: dict[str, Callable[[ApiClient], Any]] = {
    "submit": lambda client: client.submit({"url": URL}),
    "submit_lines": lambda client: client.submit_lines([URL.encode()]),
    "dry_run": lambda client: client.dry_run({"url": URL}),
    "task": lambda client: client.task("x"),
}


def client_of(api: Api, key: str | None = None, *, user_info: str = "") -> ApiClient:
    return ApiClient(f"http://{user_info}127.0.0.1:{api.server.port}", key)


async def refusal(client: ApiClient, use: str) -> str:
    """What the command line tells, with exit code 2."""
    with pytest.raises(CallerError) as told:
        await asyncio.to_thread(USES[use], client)
    assert exit_code(told.value) == 2
    return str(told.value)


@pytest.mark.parametrize("use", USES)
async def test_a_key_is_asked_for(api: Api, use: str) -> None:
    """The message has the option, the variable and the command that makes a key."""
    await api.make_key("first", Scope.ADMIN)
    told = await refusal(client_of(api), use)
    assert " answered 401: this needs an API key" in told
    for step in ("--key", "$TASKRUNNER_API_KEY", "taskrunner keys create"):
        assert step in told


@pytest.mark.parametrize("use", USES)
async def test_another_key_is_refused(api: Api, use: str) -> None:
    await api.make_key("first", Scope.ADMIN)
    secret = new_secret()
    told = await refusal(client_of(api, secret), use)
    assert " answered 401: this API key is unknown, expired or revoked; give a good one" in told
    assert secret not in told


@pytest.mark.parametrize(
    ("use", "scope", "lacks"),
    [
        ("submit", Scope.READ, "submit"),
        ("submit_lines", Scope.READ, "submit"),
        ("dry_run", Scope.READ, "submit"),
        ("task", Scope.SUBMIT, "read"),
    ],
)
async def test_a_scope_that_is_missing_is_named(api: Api, use: str, scope: Scope, lacks: str) -> None:
    secret = await api.make_key("web", scope)
    told = await refusal(client_of(api, secret), use)
    assert (
        f" answered 403: key 'web' lacks the scope {lacks}, which this needs; give a key that has it" in told
    )
    assert secret not in told


async def test_a_good_key(api: Api) -> None:
    """Also as the password of the URL. Its tasks have the ids that it gave."""
    secret = await api.make_key("web", Scope.SUBMIT, Scope.READ)
    for client in (client_of(api, secret), client_of(api, user_info=f"me:{secret}@")):
        (line,) = await asyncio.to_thread(
            client.submit_lines, [b'{"url": "http://example.com/", "id": "mine"}']
        )
        assert line["id"] == "mine"
        found = await asyncio.to_thread(client.task, "mine")
        assert found is not None
        assert found["created_by"] == "web"


async def test_a_submit_that_makes_no_task_says_so(api: Api) -> None:
    """A repetition by key, and a task whose dedup key is held."""
    client = client_of(api)
    keyed = partial(client.submit, {"url": URL}, idempotency_key="k")
    first, again = [await asyncio.to_thread(keyed) for _ in range(2)]
    assert (first["created"], again["created"], again["id"]) == (True, False, first["id"])
    fields = {"url": URL, "delay": 60, "dedup": {"key": "d"}}
    holder, other = [await asyncio.to_thread(client.submit, fields) for _ in range(2)]
    assert (holder["created"], other["created"], other["id"]) == (True, False, holder["id"])
    (item,) = await asyncio.to_thread(client.submit_lines, [json.dumps(fields).encode()])
    assert (item["status"], item["created"], item["id"]) == (200, False, holder["id"])


async def test_a_task_of_an_executor_is_submitted(api: Api) -> None:
    """It has no URL; what does not fit the schema is told with its place."""
    await api.make_executor("resize_image", schema={"type": "object"})
    task = {"executor": "resize_image", "data": {"width": 80}}
    client = client_of(api)
    answer = await asyncio.to_thread(client.submit, task)
    assert (answer["url"], answer["created"]) == (None, True)
    found = await asyncio.to_thread(client.task, answer["id"])
    assert found is not None
    assert found["data"] == {"width": 80}
    (item, wrong) = await asyncio.to_thread(
        client.submit_lines, [json.dumps(task).encode(), json.dumps({**task, "data": 5}).encode()]
    )
    assert (item["status"], wrong["errors"][0]["field"]) == (202, "data")
    assert (await asyncio.to_thread(client.dry_run, task))["target"] is None
    with pytest.raises(TaskInvalid, match=r"^data: "):
        await asyncio.to_thread(client.submit, {**task, "data": 5})
