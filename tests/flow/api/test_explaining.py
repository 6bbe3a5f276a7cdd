"""GET /tasks/{id}/explain: gathered from the store, the broker, the hosts and the audit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.domain.hosts.circuit_breaker import CircuitBreaker
from taskrunner.domain.hosts.host_state import HostState, encode_state
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef, SnoozeRequest
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.tools.waiting import eventually


def ignore(_: Delivery) -> None:
    """A consumer that keeps what it gets."""


async def reasons(api: Api, task_id: str = "a", **options: Any) -> list[dict[str, Any]]:
    answer = await api.ask("GET", f"/tasks/{task_id}/explain", **options)
    assert answer.status == 200, answer.content
    assert answer.json["id"] == task_id
    found: list[dict[str, Any]] = answer.json["reasons"]
    return found


async def codes(api: Api, task_id: str = "a", **options: Any) -> list[str]:
    return [each["code"] for each in await reasons(api, task_id, **options)]


async def test_nobody_consumes_the_queue(api: Api) -> None:
    await api.submit(id="a")
    assert await codes(api) == ["no_consumer"]


async def test_others_are_ready_before_it(api: Api) -> None:
    """With the time that they take, by what ended in the last minute."""
    for number in range(3):
        await api.submit(id=f"done-{number}")
        await api.finish(f"done-{number}", Status.SUCCEEDED, Response(status=200))
    await api.submit(id="other", priority="high")
    await api.submit(id="a")
    api.broker.consume(["medium"], 1, ignore)
    await eventually(lambda: behind(api))
    (reason,) = await reasons(api)
    assert (reason["code"], reason["ahead"]) == ("queue", 3)
    assert 0 < reason["seconds"] < 60


async def behind(api: Api) -> bool:
    return await codes(api) == ["queue"]


async def test_a_consumer_has_it(api: Api) -> None:
    await api.submit(id="a")
    api.broker.consume(["medium"], 10, ignore)

    async def delivered() -> bool:
        return await codes(api) == ["delivered"]

    await eventually(delivered)


async def test_the_broker_is_away_or_takes_nothing(api: Api) -> None:
    await api.submit(id="a")
    api.broker.disconnect()
    assert await codes(api) == ["broker_away"]
    await api.submit(id="b")
    assert await codes(api, "b") == ["broker_away"]
    api.broker.reconnect()
    api.broker.block("alarm")
    assert await codes(api, "b") == ["broker_blocked"]


async def test_it_is_scheduled(api: Api) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    await api.submit(id="a", run_at=later.isoformat())
    (reason,) = await reasons(api)
    assert (reason["code"], datetime.fromisoformat(reason["until"])) == ("scheduled", later)


@pytest.mark.parametrize("pause", ["queue=medium", "label=team%3Dred", "label=team", "all=true"])
async def test_a_pause_tells_by_whom_and_since_when(api: Api, pause: str) -> None:
    """As the audit has it; a pause of others is no reason."""
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    await api.ask(
        "POST", "/tasks", json={"url": "http://h.test/", "id": "a", "labels": {"team": "red"}}, headers=boss
    )
    assert (await api.ask("POST", f"/pause?queue=low&{pause}", headers=boss)).status == 200
    first, *_ = await reasons(api, headers=boss)
    since = (await api.store.pauses())[first["scope"]]
    assert (first["code"], first["by"], datetime.fromisoformat(first["since"])) == ("paused", "boss", since)
    assert "queue:low" not in str(await reasons(api, headers=boss))


async def test_its_host_is_closed(api: Api) -> None:
    """The circuit may stay open for longer than the task was told to wait."""
    await api.submit(id="a", url="http://h.test/")
    now = datetime.now(UTC)
    opened = now.timestamp()
    state = HostState(breaker=CircuitBreaker(since=opened, until=opened + 60, cooldown=60))
    entry = HostEntry(
        host="h.test", version="1", encoded=encode_state(state), until=now + timedelta(minutes=5)
    )
    await api.store.write_hosts([HostEdit(entry=entry, expected=None)], now=now)
    assert await codes(api) == ["circuit_open", "no_consumer"]
    due = now + timedelta(seconds=20)
    await api.store.snooze(
        [SnoozeRequest(id="a", attempt=1, due=due, waits_for="h.test: circuit open")], now=now
    )
    (reason,) = await reasons(api)
    assert (reason["code"], reason["host"]) == ("circuit_open", "h.test")
    assert datetime.fromisoformat(reason["until"]).timestamp() == pytest.approx(opened + 60, abs=1)


async def test_it_runs_and_ends(api: Api) -> None:
    await api.submit(id="a")
    now = datetime.now(UTC)
    lease = now + timedelta(seconds=30)
    await api.store.claim([AttemptRef(id="a", attempt=1)], now=now, lease_until=lease, consumer="c1")
    (reason,) = await reasons(api)
    assert (reason["code"], reason["consumer"]) == ("running", "c1")
    await api.submit(id="b")
    await api.finish("b", Status.FAILED)
    (reason,) = await reasons(api, "b")
    assert (reason["code"], "answered 500" in reason["text"]) == ("failed", True)
    await api.submit(id="c")
    await api.ask("POST", "/tasks/c/cancel")
    assert await codes(api, "c") == ["cancelled"]


async def test_there_is_no_such_task(api: Api) -> None:
    await api.refusal(404, "task_unknown", "GET", "/tasks/never-was/explain")


async def test_a_key_learns_nothing_of_others(api: Api) -> None:
    """The answer is the same, however many tasks of others wait, and whatever their host does."""
    mine = bearer(await api.make_key("mine", Scope.SUBMIT, Scope.READ))
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    task = {"url": "http://h.test/", "id": "a"}
    await api.ask("POST", "/tasks", json=task, headers=mine)
    api.broker.consume(["medium"], 1, ignore)
    for number in range(2):
        await api.ask("POST", "/tasks", json={"url": "http://h.test/", "id": f"o{number}"}, headers=boss)

    async def waits() -> bool:
        return await codes(api, headers=mine) == ["queue"]

    await eventually(waits)
    before = await reasons(api, headers=mine)
    for number in range(20):
        await api.ask("POST", "/tasks", json={"url": "http://h.test/", "id": f"p{number}"}, headers=boss)
    await api.ask("POST", "/hosts/h.test/reset", headers=boss)
    assert await reasons(api, headers=mine) == before
    assert set(before[0]) == {"code", "text"}
    assert (await reasons(api, "mine~a", headers=boss))[0]["ahead"] == 22
