"""A key without read:all learns nothing of others by events and waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.api.event_ids import EVENT_ID_LENGTH, unseal
from taskrunner.api.http import event_stream, live_requests
from taskrunner.domain.tasks.status import Status
from tests.flow.api.events_reader import EventReader, events_of
from tests.flow.api.harness import Api
from tests.flow.api.test_isolation import keys, submit
from tests.tools.waiting import eventually

__all__ = ["keys"]  # a fixture
Keys = dict[str, dict[str, str]]


async def live(api: Api, key: dict[str, str], name: str, task_id: str) -> None:
    """A task of that key that has run."""
    await submit(api, key, id=task_id, labels={"of": name})
    await api.queued(f"{name}~{task_id}")
    await api.finish(f"{name}~{task_id}", Status.SUCCEEDED)


@asynccontextmanager
async def begun(api: Api, path: str, key: dict[str, str]) -> AsyncIterator[EventReader]:
    async with events_of(api, path, key=key) as reader:
        await reader.begin()
        yield reader


async def test_a_stream_has_the_tasks_of_the_key(api: Api, keys: Keys) -> None:
    """With the ids that it gave; who sees all has all, with the whole ids."""
    async with begun(api, "/events", keys["mine"]) as mine, begun(api, "/events", keys["boss"]) as boss:
        await live(api, keys["theirs"], "theirs", "same")
        await live(api, keys["mine"], "mine", "same")
        own = await mine.take(4)
        everything = await boss.take(8)
    assert {event.seen[1] for event in own} == {"same"}
    assert {event.data["task"]["labels"]["of"] for event in own} == {"mine"}
    assert {event.data["task"]["id"] for event in own} == {"same"}
    assert [event.seen[1] for event in everything] == ["theirs~same"] * 4 + ["mine~same"] * 4


@pytest.mark.parametrize(
    "query", ["", "?label=of=theirs", "?host=example.com", "?created_by=theirs", "?status=succeeded"]
)
async def test_no_condition_leads_to_others(api: Api, keys: Keys, query: str) -> None:
    """Nor does an event that was missed."""
    async with begun(api, "/events", keys["mine"]) as before:
        pass
    async with begun(api, f"/events{query}", keys["mine"]) as reader:
        await live(api, keys["theirs"], "theirs", "a")
        await api.ask("DELETE", "/tasks/a", headers=keys["theirs"])
        await submit(api, keys["mine"], id="marker", labels={"of": "theirs"})
        await api.finish("mine~marker", Status.SUCCEEDED)
        if "created_by" not in query:
            (first,) = await reader.take(1)
            assert first.seen[1] == "marker"
    after = before.last_id
    async with events_of(api, f"/events?last_event_id={after}", key=keys["mine"]) as reader:
        assert {event.seen[1] for event in await reader.take(4)} == {"marker"}


@pytest.mark.parametrize("task_id", ["a", "theirs~a"])
async def test_the_task_of_another_has_no_events(api: Api, keys: Keys, task_id: str) -> None:
    await live(api, keys["theirs"], "theirs", "a")
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{task_id}/events", headers=keys["mine"])


@pytest.mark.parametrize("task_id", ["a", "theirs~a"])
async def test_nobody_waits_for_the_task_of_another(api: Api, keys: Keys, task_id: str) -> None:
    """The answer is that of a task that never was, however long the client would wait."""
    await submit(api, keys["theirs"], id="a")
    headers = {**keys["mine"], "Prefer": "wait=50"}
    await api.refusal(404, "task_unknown", "GET", f"/tasks/{task_id}", headers=headers)


async def test_the_same_id_of_another_ends_no_wait(api: Api, keys: Keys) -> None:
    """Two keys may give the same id; each waits for its own."""
    headers = {**keys["mine"], "Prefer": "wait=50"}
    body = {"url": "http://example.com/", "id": "same"}
    answering = asyncio.create_task(api.ask("POST", "/tasks", json=body, headers=headers))
    await eventually(lambda: api.live.waits == 1)
    await live(api, keys["theirs"], "theirs", "same")
    async with begun(api, "/events", keys["boss"]) as boss:
        await live(api, keys["theirs"], "theirs", "marker")
        await boss.take(4)
    assert not answering.done()
    await api.finish("mine~same", Status.SUCCEEDED)
    answer = await answering
    assert (answer.status, answer.json["id"], answer.json["created_by"]) == (200, "same", "mine")


async def test_ids_of_events_tell_nothing(api: Api, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heartbeats have different ids whether or not others did anything."""
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.05)
    monkeypatch.setattr(live_requests, "LOOK", 0.02)
    async with begun(api, "/events", keys["mine"]) as reader:
        seen = {reader.last_id}
        beating = asyncio.create_task(reader.next())

        def has_seen_four() -> bool:
            seen.add(reader.last_id)
            return len(seen) >= 4

        await eventually(has_seen_four)
        beating.cancel()
    assert {len(each) for each in seen} == {EVENT_ID_LENGTH}
    # Sealed anew each time: none of the bytes of a place can be told from those of another.
    assert len({each[2:-12] for each in seen}) == len(seen)


async def test_an_id_of_another_key_leads_to_own_events(api: Api, keys: Keys) -> None:
    """It is only a place."""
    async with begun(api, "/events", keys["theirs"]) as theirs:
        pass
    await live(api, keys["theirs"], "theirs", "a")
    await live(api, keys["mine"], "mine", "b")
    async with events_of(api, "/events", key=keys["mine"], after=theirs.last_id) as reader:
        assert {event.seen[1] for event in await reader.take(4)} == {"b"}


async def test_nobody_reads_the_place_in_an_id(api: Api) -> None:
    """It is sealed with the secret of the log, which each log has anew."""
    await api.submit(id="a")
    async with events_of(api, "/tasks/a/events") as reader:
        await reader.take(1)
    now = datetime.now(UTC)
    log = await api.store.log_changes(now=now, until=now + timedelta(seconds=60))
    assert reader.last_id is not None
    assert unseal(reader.last_id, log.secret) is not None
    assert unseal(reader.last_id, b"") is None
