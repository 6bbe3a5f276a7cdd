"""The limit on the tasks of a key that have not ended, which all processes share."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable, TooManyLiveTasks
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import ApiKey, Scope
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.submitter import submitter_of
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.task_quota import TaskQuota
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.tools.clock import ManualClock

TASK = {"url": "http://example.com/"}
CRON = {"name": "s", "cron": "0 4 * * *", "task": TASK}


@pytest.fixture
async def boss(api: Api) -> dict[str, str]:
    return bearer(await api.make_key("boss", Scope.ADMIN))


@pytest.fixture
async def shop(api: Api, boss: dict[str, str]) -> dict[str, str]:
    """A key that may have three live tasks; another key has some, too."""
    body = {"name": "shop", "scopes": ["submit", "read", "operate"], "max_live_tasks": 3}
    made = await api.ask("POST", "/keys", json=body, headers=boss)
    assert (made.status, made.json["max_live_tasks"]) == (201, 3), made.content
    await api.keys.turn()
    other = bearer(await api.make_key("other", Scope.SUBMIT))
    for headers in (boss, other, other):
        assert (await api.ask("POST", "/tasks", json=TASK, headers=headers)).status == 202
    return bearer(made.json["secret"])


async def submit(api: Api, key: dict[str, str], **task: Any) -> Answer:
    return await api.ask("POST", "/tasks", json={**TASK, **task}, headers=key)


async def test_beyond_the_limit_a_submit_is_refused(api: Api, shop: dict[str, str]) -> None:
    """At once in one process; a task that ends makes room, from the next count on."""
    made = [await submit(api, shop) for _ in range(4)]
    assert [answer.status for answer in made] == [202, 202, 202, 429]
    assert made[3].json["code"] == "too_many_live_tasks"
    assert "may have 3 tasks that have not ended, and there is room for 0" in made[3].json["detail"]
    assert made[3].headers["RateLimit-Policy"] == '"live-tasks";q=3'
    assert made[3].headers["RateLimit"] == '"live-tasks";r=0'
    assert made[3].headers["Retry-After"] == "1"
    await api.finish(f"shop~{made[0].json['id']}", Status.SUCCEEDED)
    assert (await submit(api, shop)).status == 429
    await api.quota.turn()
    assert [(await submit(api, shop)).status for _ in range(2)] == [202, 429]


async def test_many_at_once_get_no_more(api: Api, shop: dict[str, str]) -> None:
    answers = await asyncio.gather(*(submit(api, shop) for _ in range(12)))
    assert sorted(answer.status for answer in answers) == [202] * 3 + [429] * 9


async def test_what_is_not_new_takes_no_room(api: Api, shop: dict[str, str]) -> None:
    """A repetition, and a task that is refused."""
    for _ in range(5):
        assert (await submit(api, shop, id="same")).status == 202
        assert (await submit(api, shop, url="nothing")).status == 422
    assert [(await submit(api, shop)).status for _ in range(3)] == [202, 202, 429]


@pytest.mark.parametrize("query", ["", "?atomic=true"])
async def test_each_task_of_a_batch_counts(api: Api, shop: dict[str, str], query: str) -> None:
    """A batch that does not fit is refused whole, and says how many would."""

    async def batch(*ids: str) -> Answer:
        body = [{**TASK, "id": each} for each in ids]
        return await api.ask("POST", f"/tasks/batch{query}", json=body, headers=shop)

    assert (await batch("a", "b")).status == 200
    refused = await batch("c", "d")
    assert (refused.status, refused.json["code"]) == (429, "too_many_live_tasks")
    assert refused.headers["RateLimit"] == '"live-tasks";r=1'
    assert (await batch("c")).status == 200
    listed = await api.ask("GET", "/tasks", headers=shop)
    assert sorted(task["id"] for task in listed.json["tasks"]) == ["a", "b", "c"]


@pytest.mark.parametrize("atomic", ["", "&atomic=true"])
async def test_a_dry_run_of_a_batch_takes_no_room(
    api: Api, boss: dict[str, str], shop: dict[str, str], atomic: str
) -> None:
    """It is answered also beyond the limit, since it adds no task."""

    async def dry_run() -> None:
        path = f"/tasks/batch?dry_run=true{atomic}"
        assert (await api.ask("POST", path, json=[TASK, TASK], headers=shop)).status == 200

    for _ in range(2):
        await dry_run()
    assert [(await submit(api, shop)).status for _ in range(4)] == [202, 202, 202, 429]
    await api.ask("PATCH", "/keys/shop", json={"max_live_tasks": 1}, headers=boss)
    await api.keys.turn()
    await dry_run()


async def test_a_run_of_a_schedule_counts(api: Api, shop: dict[str, str]) -> None:
    assert (await api.ask("POST", "/schedules", json=CRON, headers=shop)).status == 201
    runs = [await api.ask("POST", "/schedules/s/run", headers=shop) for _ in range(4)]
    assert [answer.status for answer in runs] == [202, 202, 202, 429]


async def test_the_use_is_told_with_the_limit(api: Api, boss: dict[str, str], shop: dict[str, str]) -> None:
    """And the limit can be changed, and taken away."""
    await submit(api, shop)
    keys = {key["name"]: key for key in (await api.ask("GET", "/keys", headers=boss)).json["keys"]}
    told = {name: (key["max_live_tasks"], key["live_tasks"]) for name, key in keys.items()}
    assert told == {"boss": (None, None), "other": (None, None), "shop": (3, 1)}
    for limit, free in ((1, 0), (2, 1), (None, 9)):
        answer = await api.ask("PATCH", "/keys/shop", json={"max_live_tasks": limit}, headers=boss)
        assert (answer.status, answer.json["max_live_tasks"]) == (200, limit)
        await api.keys.turn()
        statuses = [(await submit(api, shop)).status for _ in range(free + 1)]
        assert statuses == [202] * free + [202 if limit is None else 429]


@pytest.mark.parametrize("scope", ["admin", "read:all"])
async def test_a_key_that_sees_all_has_no_such_limit(api: Api, boss: dict[str, str], scope: str) -> None:
    """Only the tasks of a namespace have an index of their own to be counted by."""
    body = {"name": "wide", "scopes": [scope, "submit"], "max_live_tasks": 3}
    members = await api.refusal(422, "key_invalid", "POST", "/keys", json=body, headers=boss)
    assert members["errors"][0]["field"] == "max_live_tasks"
    patch = {"max_live_tasks": 3}
    await api.refusal(422, "key_invalid", "PATCH", "/keys/boss", json=patch, headers=boss)


async def test_the_rate_is_told_beside(api: Api, boss: dict[str, str]) -> None:
    """Two policies in one answer."""
    body = {"name": "both", "scopes": ["submit"], "max_live_tasks": 1, "rate": "1/m", "burst": 9}
    made = await api.ask("POST", "/keys", json=body, headers=boss)
    await api.keys.turn()
    key = bearer(made.json["secret"])
    await submit(api, key)
    answer = await submit(api, key)
    assert answer.status == 429
    assert answer.headers["RateLimit-Policy"] == '"live-tasks";q=1, "key";q=9;w=540'
    assert answer.headers["RateLimit"].startswith('"live-tasks";r=0, "key";r=7;')


async def test_until_the_tasks_were_counted_nothing_is_accepted(
    api: Api, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(api.store, "count_live", fail)
    assert (await submit(api, shop)).status == 503


@asynccontextmanager
async def taken(quota: TaskQuota, key: ApiKey, count: int) -> AsyncIterator[None]:
    async with quota.room_for(key, count) as room:
        yield
        room.created = count


async def test_processes_go_beyond_by_what_was_free(api: Api, boss: dict[str, str]) -> None:
    """The bound in the docs: of three that accept at once, each may use what was free at the last count."""
    body = {"name": "shop", "scopes": ["submit"], "max_live_tasks": 10}
    secret = (await api.ask("POST", "/keys", json=body, headers=boss)).json["secret"]
    await api.keys.turn()
    for _ in range(4):
        assert (await submit(api, bearer(secret))).status == 202
    key = next(each for each in api.keys.all if each.name == "shop")
    quotas = [
        TaskQuota(api.store, KeyWatch(api.store, Events(), api.clock, [key]), Events(), api.clock)
        for _ in range(3)
    ]
    for quota in quotas:
        for _ in range(6):
            async with taken(quota, key, 1):
                pass
        with pytest.raises(TooManyLiveTasks):
            async with taken(quota, key, 1):
                pass
    # What the others have accepted is known from the next count on.
    for _ in range(12):
        await api.intake.submit(TaskDraft(url="http://example.com/"), submitter=submitter_of(key))
    for quota in quotas:
        await quota.turn()
        with pytest.raises(TooManyLiveTasks, match="room for 0"):
            async with taken(quota, key, 1):
                pass


@pytest.mark.parametrize(("took", "pause"), [(0.01, 1.0), (0.5, 10.0), (30.0, 60.0)])
async def test_a_slow_count_is_followed_by_a_long_pause(
    api: Api, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    """The store has other things to do."""
    count, clock = api.store.count_live, ManualClock()

    async def slow(most: Mapping[str, int]) -> Mapping[str, int]:
        clock.advance(took)
        return await count(most)

    monkeypatch.setattr(api.store, "count_live", slow)
    assert await TaskQuota(api.store, api.keys, Events(), clock).turn() == pytest.approx(pause)
