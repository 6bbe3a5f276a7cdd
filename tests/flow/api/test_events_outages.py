"""Events and waits while the store is away: they go on afterwards, and nothing is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from taskrunner.producer import change_reader
from tests.flow.api.events_reader import events_of
from tests.flow.api.harness import Api
from tests.tools.waiting import eventually


def failing(api: Api, monkeypatch: pytest.MonkeyPatch, *names: str) -> Callable[[], int]:
    """These calls of the store fail from now on; answers how often they have."""
    failures: list[str] = []

    async def fail(*_: Any, **__: Any) -> Any:
        failures.append("")
        raise StoreUnavailable("in a test")

    for name in names:
        monkeypatch.setattr(api.store, name, fail)
    return lambda: len(failures)


@pytest.mark.parametrize("name", ["changes", "get_many"])
async def test_an_outage_loses_nothing(api: Api, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Neither of a read of the log, nor of the records."""
    await api.submit(id="a")
    async with events_of(api, "/events") as reader, events_of(api, "/tasks/a/events") as of_task:
        await reader.begin()
        await of_task.take(1)
        with monkeypatch.context() as during:
            failures = failing(api, during, name)
            record_of = api.store.get if name == "changes" else None
            await api.submit(id="b")
            await eventually(lambda: failures() >= 1)
            assert record_of is None or await record_of("b") is not None
        await api.finish("a", Status.SUCCEEDED)
        assert [each.seen for each in await reader.take(4)] == [
            ("scheduled", "b"),
            ("queued", "b"),
            ("running", "a"),
            ("succeeded", "a"),
        ]
        assert [each.name for each in await of_task.rest()] == ["running", "succeeded"]


async def test_a_wait_outlives_an_outage(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"url": "http://example.com/", "id": "a"}
    answering = asyncio.create_task(api.ask("POST", "/tasks", json=body, headers={"Prefer": "wait=50"}))
    await eventually(lambda: api.live.waits == 1)
    with monkeypatch.context() as during:
        failures = failing(api, during, "changes", "log_changes")
        await eventually(lambda: failures() >= 1)
    await api.finish("a", Status.SUCCEEDED)
    assert (await answering).status == 200


async def test_no_stream_begins_without_the_store(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, as for every request that needs the store."""
    monkeypatch.setattr(change_reader, "READY_PATIENCE", 0.2)
    failing(api, monkeypatch, "log_changes")
    await api.refusal(503, "store_unavailable", "GET", "/events")
    assert api.live.streams == 0


async def test_a_stream_that_cannot_catch_up_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another answer in the middle of it; the client comes back, and finds all."""
    async with events_of(api, "/events") as reader:
        await reader.begin()
        await api.submit(id="a")
        await reader.take(2)
        place = reader.last_id
        await api.submit(id="b")
        told = await reader.take(2)
        with monkeypatch.context() as during:
            failing(api, during, "get_many")
            async with events_of(api, "/events", after=place) as late:
                assert await late.rest() == []
    async with events_of(api, "/events", after=place) as late:
        assert [each.seen for each in await late.take(2)] == [each.seen for each in told]


async def test_the_first_key_ends_streams_of_nobody(api: Api) -> None:
    """From then on a key is needed; until then nobody on this machine needs one."""
    async with events_of(api, "/events") as reader:
        await reader.begin()
        await api.make_key("first", Scope.READ)
        assert await reader.next() is None
