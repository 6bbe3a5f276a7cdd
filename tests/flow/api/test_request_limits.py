"""The limits of API keys: 429, and what clients are told."""

import asyncio
import re
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.keys.api_key import Scope
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

SLOW = {"rate": "1/m", "burst": 2}


@pytest.fixture
async def boss(api: Api) -> dict[str, str]:
    return bearer(await api.make_key("boss", Scope.ADMIN))


async def limited(api: Api, boss: dict[str, str], **limit: Any) -> dict[str, str]:
    """A new key with a limit, which the API knows."""
    body = {"name": "shop", "scopes": ["submit", "read"], **limit}
    made = await api.ask("POST", "/keys", json=body, headers=boss)
    assert made.status == 201, made.content
    await api.keys.turn()
    return bearer(made.json["secret"])


async def test_beyond_its_limit_a_key_has_to_wait(api: Api, boss: dict[str, str]) -> None:
    """Good answers tell what is left, the refusal when to come again; other keys go on."""
    shop = await limited(api, boss, **SLOW)
    left = []
    for _ in range(2):
        answer = await api.ask("GET", "/tasks", headers=shop)
        assert answer.status == 200
        assert answer.headers["RateLimit-Policy"] == '"key";q=2;w=120'
        left.append(answer.headers["RateLimit"])
    assert re.fullmatch(r'"key";r=1;t=60', left[0])
    assert re.fullmatch(r'"key";r=0;t=1[12]\d', left[1])
    answer = await api.ask("GET", "/tasks", headers=shop)
    assert (answer.status, answer.json["code"]) == (429, "rate_limited")
    wait = int(answer.headers["Retry-After"])
    assert 50 < wait <= 60
    assert answer.headers["RateLimit"] == f'"key";r=0;t={wait}'
    assert answer.headers["RateLimit-Policy"] == '"key";q=2;w=120'
    other = await api.ask("GET", "/tasks", headers=boss)
    assert (other.status, "RateLimit" in other.headers) == (200, False)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/tasks/none", {}, 404),
        ("POST", "/tasks", {"json": {"url": "nothing"}}, 422),
        ("POST", "/tasks", {"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("GET", "/tasks?no_such=1", {}, 400),
        ("GET", "/tasks?limit=1", {}, 200),
    ],
)
async def test_an_error_tells_what_is_left(
    api: Api, boss: dict[str, str], method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """It has cost a request, too."""
    shop = await limited(api, boss, **SLOW)
    answer = await api.ask(method, path, **{**options, "headers": {**shop, **options.get("headers", {})}})
    assert answer.status == status
    assert answer.headers["RateLimit-Policy"] == '"key";q=2;w=120'
    assert answer.headers["RateLimit"] == '"key";r=1;t=60'


async def test_of_many_at_once_some_get_through(api: Api, boss: dict[str, str]) -> None:
    """As many as the burst, with every route."""
    shop = await limited(api, boss, rate="1/h", burst=7)
    task = {"url": "http://example.com/"}
    answers = await asyncio.gather(
        *(api.ask("POST", "/tasks", json=task, headers=shop) for _ in range(10)),
        *(api.ask("GET", "/tasks/none", headers=shop) for _ in range(10)),
    )
    statuses = [answer.status for answer in answers]
    assert sum(status in {202, 404} for status in statuses) == 7
    assert statuses.count(429) == 13


async def test_a_request_that_expects_to_continue_counts_once(api: Api, boss: dict[str, str]) -> None:
    """It is admitted before its body, and again with it."""
    shop = await limited(api, boss, rate="1/h", burst=1)
    for status in (202, 429):
        answer = await api.ask(
            "POST", "/tasks", json={"url": "http://example.com/"}, headers=shop, expect100=True
        )
        assert answer.status == status


async def test_a_limit_can_be_changed(api: Api, boss: dict[str, str]) -> None:
    """A merge patch: what it does not name stays, and null removes."""
    shop = await limited(api, boss, **SLOW)
    for body, expected in (
        ({"burst": 3}, (1 / 60, 3)),
        ({"rate": 5}, (5.0, 3)),
        ({"burst": None}, (5.0, None)),
        ({}, (5.0, None)),
        ({"rate": "90/m", "burst": 9}, (1.5, 9)),
        ({"rate": None}, (None, None)),
    ):
        answer = await api.ask("PATCH", "/keys/shop", json=body, headers=boss)
        assert (answer.status, answer.json["rate"], answer.json["burst"]) == (200, *expected)
    listed = (await api.ask("GET", "/keys", headers=boss)).json["keys"]
    assert [(key["name"], key["rate"]) for key in listed] == [("boss", None), ("shop", None)]
    await api.keys.turn()
    for _ in range(4):
        assert (await api.ask("GET", "/tasks", headers=shop)).status == 200


@pytest.mark.parametrize(
    "body", [{"rate": 0}, {"rate": "x"}, {"rate": True}, {"burst": 3}, {"rate": 1, "burst": 0}, {"what": 1}]
)
async def test_a_wrong_limit_is_refused(api: Api, boss: dict[str, str], body: dict[str, Any]) -> None:
    await limited(api, boss)
    await api.refusal(422, "key_invalid", "PATCH", "/keys/shop", json=body, headers=boss)
    made = {"name": "new", "scopes": ["read"], **body}
    await api.refusal(422, "key_invalid", "POST", "/keys", json=made, headers=boss)


async def test_while_the_store_is_away_nobody_is_limited(
    api: Api, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs the store says so itself."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    shop = await limited(api, boss, rate="1/h", burst=1)
    monkeypatch.setattr(api.store, "take_requests", fail)
    for _ in range(3):
        assert (await api.ask("GET", "/tasks", headers=shop)).status == 200
