"""Clients that come back to the events of a task after they have missed many."""

import asyncio

import pytest

from taskrunner.api.endpoints import events
from taskrunner.api.http import event_stream
from taskrunner.domain.tasks.status import Status
from tests.flow.api.events_reader import events_of
from tests.flow.api.harness import Api

RETRIES = 5


async def missed(api: Api) -> str:
    """A task with large events and some retries; the id of the event before them."""
    await api.submit(id="a", labels={f"name-{number}": "x" * 200 for number in range(20)})
    async with events_of(api, "/events") as reader:
        await reader.begin()
        last_id = reader.last_id
        for _ in range(RETRIES):
            await api.finish("a", Status.RETRYING)
        while (await reader.take(1))[0].data["task"]["attempt"] < RETRIES:
            pass
        await reader.take(1)
    return last_id


async def test_a_client_that_missed_much_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may wait for a slow reader: nobody has begun to read yet."""
    last_id = await missed(api)
    monkeypatch.setattr(event_stream, "MOST_PENDING_BYTES", 15_000)
    async with events_of(api, "/tasks/a/events", after=last_id) as reader:
        working = asyncio.create_task(api.finish("a", Status.SUCCEEDED))
        names = [each.name for each in await reader.rest()]
        await working
    assert names == [*["running", "retrying"] * RETRIES, "running", "succeeded"]


async def test_a_client_that_missed_too_much_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap, then the task as it is."""
    last_id = await missed(api)
    monkeypatch.setattr(events, "_MOST_MISSED", 5)
    async with events_of(api, "/tasks/a/events", after=last_id) as reader:
        assert [each.name for each in await reader.take(2)] == ["gap", "retrying"]
