"""What the API has changed is in force in the answering process with its answer; nothing is awaited here."""

from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.keys.api_key import Scope
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

HOOK = {"url": "https://hook.test/"}


async def reports_after_an_end(api: Api) -> int:
    """How many more tasks there are that report an end, once one more task has ended."""

    async def count() -> int:
        return len((await api.get("/tasks?label=webhook")).json["tasks"])

    before = await count()
    made = await api.submit(delay="1h")
    assert (await api.ask("POST", f"/tasks/{made.json['id']}/cancel")).status == 200
    return await count() - before


async def test_a_webhook_hears_of_the_next_end(api: Api) -> None:
    """After a POST, a PUT, a PATCH and a DELETE."""
    assert (await api.ask("POST", "/webhooks", json={**HOOK, "name": "a"})).status == 201
    assert await reports_after_an_end(api) == 1
    assert (await api.ask("PUT", "/webhooks/b", json=HOOK)).status == 201
    assert await reports_after_an_end(api) == 2
    assert (await api.ask("PATCH", "/webhooks/b", json={"enabled": False})).status == 200
    assert await reports_after_an_end(api) == 1
    assert (await api.ask("DELETE", "/webhooks/a")).status == 204
    assert await reports_after_an_end(api) == 0


async def test_a_key_is_good_or_refused_with_the_answer(api: Api) -> None:
    """Made, limited, rotated and revoked."""
    boss = bearer(await api.make_key("boss", Scope.ADMIN))

    async def change(method: str, path: str, body: Any = None) -> Any:
        answer = await api.ask(method, path, json=body, headers=boss)
        assert answer.status in {200, 201}, answer.content
        return answer.json

    async def statuses(key: dict[str, str], count: int = 1) -> list[int]:
        return [(await api.ask("GET", "/tasks", headers=key)).status for _ in range(count)]

    made = await change("POST", "/keys", {"name": "shop", "scopes": ["read"]})
    old = bearer(made["secret"])
    assert await statuses(old, 3) == [200] * 3
    await change("PATCH", "/keys/shop", {"rate": "1/h", "burst": 1})
    assert await statuses(old, 2) == [200, 429]
    await change("PATCH", "/keys/shop", {"rate": None})
    new = bearer((await change("POST", "/keys/shop/rotate", {}))["secret"])
    assert await statuses(old) + await statuses(new) == [401, 200]
    await change("POST", "/keys/shop/revoke")
    assert await statuses(new) == [401]


async def test_a_pause_is_in_force_with_the_answer(api: Api) -> None:
    assert (await api.ask("POST", "/pause?queue=low")).status == 200
    assert set(api.pauses.describe()) == {"queue:low"}
    assert (await api.ask("POST", "/resume?queue=low")).status == 200
    assert not api.pauses.describe()


async def test_what_cannot_be_read_back_is_done_nevertheless(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store went away behind the change: the next read finds it."""
    calls = 0

    async def reading_once(read: Any = api.store.webhooks) -> Any:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise StoreUnavailable("away")
        return await read()

    monkeypatch.setattr(api.store, "webhooks", reading_once)
    assert (await api.ask("PUT", "/webhooks/a", json=HOOK)).status == 201
    monkeypatch.undo()
    assert (await api.get("/webhooks/a")).status == 200
