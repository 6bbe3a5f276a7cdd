"""The limit on the bytes that the tasks of a key have in the store, which all processes share."""

import asyncio
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from tests.contract.stores.harness import RESPONSE
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer

TASK = {"url": "http://example.com/", "method": "POST"}
CRON = {"name": "s", "cron": "0 4 * * *", "task": TASK}
LIMIT = 100_000
LARGE = replace(RESPONSE, body=b"y" * LIMIT)


@pytest.fixture
async def boss(api: Api) -> dict[str, str]:
    return bearer(await api.make_key("boss", Scope.ADMIN))


@pytest.fixture
async def shop(api: Api, boss: dict[str, str]) -> dict[str, str]:
    """A key that may have 100,000 bytes; another key has more."""
    body = {"name": "shop", "scopes": ["submit", "read", "operate"], "max_stored_bytes": LIMIT}
    made = await api.ask("POST", "/keys", json=body, headers=boss)
    assert (made.status, made.json["max_stored_bytes"]) == (201, LIMIT), made.content
    await api.keys.turn()
    other = bearer(await api.make_key("other", Scope.SUBMIT))
    for _ in range(3):
        assert (await submit(api, other, 50_000)).status == 202
    return bearer(made.json["secret"])


async def submit(api: Api, key: dict[str, str], size: int, **task: Any) -> Answer:
    return await api.ask("POST", "/tasks", json={**TASK, "body": "x" * size, **task}, headers=key)


async def walk(api: Api) -> None:
    """One whole round that begins now: the only key with a limit has one page."""
    assert await api.storage.turn() >= 1.0


async def told(api: Api, boss: dict[str, str]) -> Any:
    listed = (await api.ask("GET", "/keys", headers=boss)).json["keys"]
    return next(key for key in listed if key["name"] == "shop")


async def test_beyond_the_limit_a_submit_is_refused(api: Api, shop: dict[str, str]) -> None:
    """At once in one process; what is deleted makes room, from the next walk on."""
    made = [await submit(api, shop, 40_000) for _ in range(3)]
    assert [answer.status for answer in made] == [202, 202, 429]
    refused = made[2]
    assert refused.json["code"] == "too_many_stored_bytes"
    assert "may have 100000 bytes of tasks and results in the store" in refused.json["detail"]
    assert refused.headers["RateLimit-Policy"] == '"stored-bytes";q=100000'
    assert refused.headers["RateLimit"].startswith('"stored-bytes";r=19')
    assert refused.headers["Retry-After"] == "10"
    assert (await submit(api, shop, 10)).status == 202
    await walk(api)
    assert (await submit(api, shop, 40_000)).status == 429
    assert (await api.ask("DELETE", f"/tasks/{made[0].json['id']}", headers=shop)).status == 204
    assert (await submit(api, shop, 40_000)).status == 429
    await walk(api)
    assert [(await submit(api, shop, 40_000)).status for _ in range(2)] == [202, 429]


async def test_a_result_counts_from_the_walk_that_finds_it(api: Api, shop: dict[str, str]) -> None:
    made = await submit(api, shop, 10)
    await api.finish(f"shop~{made.json['id']}", Status.SUCCEEDED, LARGE)
    assert (await submit(api, shop, 10)).status == 202
    await walk(api)
    assert (await submit(api, shop, 10)).status == 429


async def test_many_at_once_get_no_more(api: Api, shop: dict[str, str]) -> None:
    answers = await asyncio.gather(*(submit(api, shop, 30_000) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [202] * 3 + [429] * 5


async def test_what_is_not_new_takes_no_room(api: Api, shop: dict[str, str]) -> None:
    """A repetition, a task that is refused, and a dry run."""
    for _ in range(5):
        assert (await submit(api, shop, 40_000, id="same")).status == 202
        assert (await submit(api, shop, 40_000, url="nothing")).status == 422
    path = "/tasks/batch?dry_run=true"
    assert (await api.ask("POST", path, json=[{**TASK, "body": "x" * 80_000}], headers=shop)).status == 200
    assert [(await submit(api, shop, 40_000)).status for _ in range(2)] == [202, 429]


@pytest.mark.parametrize("query", ["", "?atomic=true"])
async def test_a_batch_counts_whole(api: Api, shop: dict[str, str], query: str) -> None:
    """One that does not fit is refused whole."""

    async def batch(*sizes: int) -> Answer:
        body = [{**TASK, "body": "x" * size} for size in sizes]
        return await api.ask("POST", f"/tasks/batch{query}", json=body, headers=shop)

    assert (await batch(30_000, 30_000)).status == 200
    refused = await batch(30_000, 30_000)
    assert (refused.status, refused.json["code"]) == (429, "too_many_stored_bytes")
    assert (await batch(30_000)).status == 200


async def test_a_full_key_runs_no_schedule(api: Api, shop: dict[str, str]) -> None:
    assert (await api.ask("POST", "/schedules", json=CRON, headers=shop)).status == 201
    assert (await api.ask("POST", "/schedules/s/run", headers=shop)).status == 202
    made = await submit(api, shop, 10)
    await api.finish(f"shop~{made.json['id']}", Status.SUCCEEDED, LARGE)
    await walk(api)
    assert (await api.ask("POST", "/schedules/s/run", headers=shop)).status == 429


async def test_both_limits_hold_together(api: Api, boss: dict[str, str], shop: dict[str, str]) -> None:
    patch = {"max_live_tasks": 2}
    assert (await api.ask("PATCH", "/keys/shop", json=patch, headers=boss)).status == 200
    await api.keys.turn()
    codes = [(await submit(api, shop, size)).json.get("code") for size in (60_000, 60_000, 10, 10)]
    assert codes == [None, "too_many_stored_bytes", None, "too_many_live_tasks"]


async def test_the_use_is_told_with_the_limit(api: Api, boss: dict[str, str], shop: dict[str, str]) -> None:
    """With the time of the walk that found it; the limit can be changed, and taken away."""
    assert (await submit(api, shop, 40_000)).status == 202
    key = await told(api, boss)
    assert 40_000 < key["stored_bytes"] < 42_000
    await walk(api)
    older = await told(api, boss)
    assert (await submit(api, shop, 40_000)).status == 202
    assert await told(api, boss) == older
    await walk(api)
    newer = await told(api, boss)
    assert 80_000 < newer["stored_bytes"] < 84_000
    assert newer["stored_bytes_at"] > older["stored_bytes_at"]
    for limit, status in ((50_000, 429), (None, 202)):
        answer = await api.ask("PATCH", "/keys/shop", json={"max_stored_bytes": limit}, headers=boss)
        assert (answer.status, answer.json["max_stored_bytes"]) == (200, limit)
        await api.keys.turn()
        assert (await submit(api, shop, 40_000)).status == status
    await walk(api)
    assert (await told(api, boss))["stored_bytes"] is None


@pytest.mark.parametrize("scope", ["admin", "read:all"])
async def test_a_key_that_sees_all_has_no_such_limit(api: Api, boss: dict[str, str], scope: str) -> None:
    """Only the tasks of a namespace can be found without a look at those of all."""
    body = {"name": "wide", "scopes": [scope, "submit"], "max_stored_bytes": 3}
    members = await api.refusal(422, "key_invalid", "POST", "/keys", json=body, headers=boss)
    assert members["errors"][0]["field"] == "max_stored_bytes"


async def test_a_walk_goes_on_after_an_outage(
    api: Api, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process has accepted counts meanwhile."""
    assert (await submit(api, shop, 60_000)).status == 202
    with monkeypatch.context() as patched:

        async def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        patched.setattr(api.store, "measure", fail)
        with pytest.raises(StoreUnavailable):
            await walk(api)
        assert (await submit(api, shop, 60_000)).status == 429
    await walk(api)
    assert (await submit(api, shop, 60_000)).status == 429
    assert (await submit(api, shop, 20_000)).status == 202
