"""Server-sent events: a task, or all that the conditions select."""

import asyncio

import pytest

from taskrunner.api.http import event_stream, live_requests
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.events_reader import events_of
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.tools.waiting import eventually

RESULT = Response(status=200, body=b"done", size_bytes=4, content_type="text/plain")
LIFE = ["scheduled", "queued", "running", "succeeded"]


async def live(api: Api, *ids: str) -> None:
    """New tasks that have run and succeeded."""
    for task_id in ids:
        assert (await api.submit(id=task_id)).status == 202
        await api.queued(task_id)
        await api.finish(task_id, Status.SUCCEEDED, RESULT)


async def test_a_task_is_told_from_now_to_its_end(api: Api) -> None:
    """First what it is, then each change; after the last, the stream ends."""
    await api.submit(id="a", headers={"X-Tenant": "secret"})
    async with events_of(api, "/tasks/a/events") as reader:
        (first,) = await reader.take(1)
        assert first.name in {"scheduled", "queued"}
        await api.finish("a", Status.SUCCEEDED, RESULT)
        rest = await reader.rest()
    assert [each.name for each in rest][-2:] == ["running", "succeeded"]
    assert len({each.id for each in [first, *rest]}) == len(rest) + 1
    last = rest[-1].data
    assert (last["task_id"], last["status"], last["task"]["id"]) == ("a", "succeeded", "a")
    assert last["task"]["headers"] == {"X-Tenant": "***"}
    assert last["task"]["result"]["body_url"] == "/tasks/a/body"
    assert reader.retry_ms == 3000


async def test_a_task_that_has_ended_is_one_event(api: Api) -> None:
    await live(api, "a")
    async with events_of(api, "/api/v1/tasks/a/events") as reader:
        (only,) = await reader.rest()
    assert only.name == "succeeded"
    assert only.data["task"]["result"]["body_url"] == "/api/v1/tasks/a/body"


async def test_a_client_that_knows_the_end_does_not_come_back(api: Api) -> None:
    """204 tells a browser to stop (HTML, section 9.2.3)."""
    await live(api, "a")
    async with events_of(api, "/tasks/a/events") as reader:
        await reader.rest()
    answer = await api.ask("GET", "/tasks/a/events", headers={"Last-Event-ID": reader.last_id})
    assert (answer.status, answer.content) == (204, b"")


@pytest.mark.parametrize("place", ["header", "query"])
async def test_a_task_goes_on_where_the_client_was(api: Api, place: str) -> None:
    """What happened meanwhile comes first, nothing twice."""
    await api.submit(id="a")
    async with events_of(api, "/tasks/a/events") as reader:
        await reader.take(1)
        await api.finish("a", Status.RETRYING)
        while (each := await reader.next()) is not None and each.name != "running":
            pass
    await api.finish("a", Status.SUCCEEDED, RESULT)
    query = f"?last_event_id={reader.last_id}" if place == "query" else ""
    after = reader.last_id if place == "header" else None
    async with events_of(api, f"/tasks/a/events{query}", after=after) as reader:
        assert [each.name for each in await reader.rest()] == ["retrying", "running", "succeeded"]


async def test_a_deleted_task_ends_its_stream(api: Api) -> None:
    await api.submit(id="a")
    async with events_of(api, "/tasks/a/events") as reader:
        await reader.take(1)
        await api.ask("DELETE", "/tasks/a")
        last = (await reader.rest())[-1]
    assert (last.name, last.data) == ("deleted", {"task_id": "a", "status": None, "task": None})


async def test_all_tasks_are_told(api: Api) -> None:
    """Each change from when the stream has begun, in order."""
    await live(api, "before")
    async with events_of(api, "/events") as reader:
        await reader.begin()
        await live(api, "a", "b")
        await api.ask("DELETE", "/tasks/b")
        told = [each.seen for each in await reader.take(9)]
    assert told == [*((status, task_id) for task_id in ("a", "b") for status in LIFE), ("deleted", "b")]


async def test_all_tasks_go_on_where_the_client_was(api: Api) -> None:
    """Without a gap and without a repetition, wherever it was cut off."""
    async with events_of(api, "/events") as reader:
        await reader.begin()
        await live(api, "a", "b", "c")
        whole = await reader.take(12)
    for number, each in enumerate(whole):
        async with events_of(api, "/events", after=each.id) as reader:
            await api.submit(id=f"after-{number}")
            rest: list[tuple[str, str]] = []
            while ("queued", f"after-{number}") not in rest:
                rest += [event.seen for event in await reader.take(1)]
        assert rest[: 11 - number] == [event.seen for event in whole[number + 1 :]]
        assert [seen for seen in rest if seen[1] == f"after-{number}"] == [
            ("scheduled", f"after-{number}"),
            ("queued", f"after-{number}"),
        ]


async def test_streams_that_come_and_go_under_load_miss_nothing(api: Api) -> None:
    """A client that is cut off again and again has each event once."""
    ids = [f"t{number}" for number in range(40)]
    async with events_of(api, "/events") as reader:
        await reader.begin()
        place = reader.last_id
    working = asyncio.create_task(live(api, *ids))
    told: list[tuple[str, str]] = []
    while len(told) < 4 * len(ids):
        async with events_of(api, "/events", after=place) as reader:
            events = await reader.take(7 if len(told) < 150 else 1)
            told += [each.seen for each in events]
            place = events[-1].id
    await working
    assert told == [(status, task_id) for task_id in ids for status in LIFE]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("status=succeeded", [("succeeded", "a"), ("succeeded", "b")]),
        ("label=team=x&status=running", [("running", "a")]),
        ("label=team&status=running", [("running", "a"), ("running", "b")]),
        ("host=other.test&status=queued", [("queued", "b")]),
        ("queue=high&status=scheduled", [("scheduled", "b")]),
        ("host=other.test&label=team=x", []),
        ("created_after=2999-01-01T00:00:00Z", []),
    ],
)
async def test_conditions_select_events(api: Api, query: str, told: list[tuple[str, str]]) -> None:
    """As they select tasks; the status is the one that the task came to. So for events that were missed."""
    async with events_of(api, "/events") as everything:
        await everything.begin()
        async with events_of(api, f"/events?{query}") as reader:
            await reader.begin()
            await api.submit(id="a", labels={"team": "x"})
            await api.queued("a")
            await api.finish("a", Status.SUCCEEDED, RESULT)
            await api.submit(id="b", labels={"team": "y"}, url="http://other.test/", priority="high")
            await api.queued("b")
            await api.finish("b", Status.SUCCEEDED, RESULT)
            assert [each.seen for each in await reader.take(len(told))] == told
        begun = everything.last_id
        await everything.take(8)
    async with events_of(api, f"/events?{query}", after=begun) as reader:
        assert [each.seen for each in await reader.take(len(told))] == told


async def test_what_is_no_longer_in_the_log_is_told(api: Api) -> None:
    """A gap, then what comes; a task is told as it is now."""
    async with events_of(api, "/events") as reader:
        await reader.begin()
        await live(api, "a")
        await reader.take(4)
    # As after a restart of a Redis that keeps nothing on disk.
    old = reader.last_id
    await api.store._connection.call("DEL", f"{api.store._prefix}changes")
    async with events_of(api, "/events", after=old) as reader:
        (first,) = await reader.take(1)
        assert (first.name, list(first.data)) == ("gap", ["detail"])
        await live(api, "b")
        assert [each.seen for each in await reader.take(4)] == [(status, "b") for status in LIFE]
    async with events_of(api, "/tasks/b/events", after=old) as reader:
        assert [each.name for each in await reader.rest()] == ["gap", "succeeded"]


async def test_a_log_that_is_lost_meanwhile_is_told(api: Api) -> None:
    """Streams that are open get a gap, too, and the state of a task."""
    await api.submit(id="a")
    async with events_of(api, "/events") as reader, events_of(api, "/tasks/a/events") as of_task:
        await reader.begin()
        await of_task.take(1)
        await api.store._connection.call("DEL", f"{api.store._prefix}changes")
        assert (await reader.take(1))[0].name == "gap"
        assert [each.name for each in await of_task.take(2)] == ["gap", "queued"]
        await api.finish("a", Status.SUCCEEDED, RESULT)
        assert [each.name for each in await of_task.rest()][-1] == "succeeded"


@pytest.mark.parametrize("last_id", ["x", "1-0", "a" * 44, "A" * 43 + "=", "\u0661" * 44, "Ag" + "A" * 42])
@pytest.mark.parametrize("path", ["/events", "/tasks/a/events"])
async def test_what_is_no_id_is_refused(api: Api, path: str, last_id: str) -> None:
    await api.submit(id="a")
    headers = {"Last-Event-ID": last_id}
    if last_id.isascii():
        await api.refusal(400, "bad_header", "GET", path, headers=headers)
    await api.refusal(400, "bad_query", "GET", path, params={"last_event_id": last_id})


@pytest.mark.parametrize("query", ["statu=failed", "status=done", "label==x", "limit=3", "last_event_id="])
async def test_a_bad_query_is_refused(api: Api, query: str) -> None:
    await api.refusal(400, "bad_query", "GET", f"/events?{query}")


async def test_an_unknown_task_has_no_events(api: Api) -> None:
    await api.refusal(404, "task_unknown", "GET", "/tasks/never-was/events")


@pytest.mark.parametrize("path", ["/events", "/tasks/a/events"])
async def test_no_cache_and_no_proxy_holds_a_stream_back(api: Api, path: str) -> None:
    """Nor is it compressed; HEAD has the same headers and ends."""
    await api.submit(id="a")
    headers = {"Accept-Encoding": "gzip"}
    async with events_of(api, path, key=headers) as reader:
        sent = reader.response.headers
        assert "no-cache" in sent["Cache-Control"]
        assert sent["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in sent
        assert "X-Request-Id" in sent
    answer = await api.ask("HEAD", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert (answer.content, "ETag" in answer.headers) == (b"", False)
    assert "X-Request-Id" in answer.headers


async def test_a_silent_stream_has_heartbeats(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments; with them a client learns from where it may go on."""
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.1)
    monkeypatch.setattr(live_requests, "LOOK", 0.05)
    await api.submit(id="a")
    async with events_of(api, "/events?label=none") as reader, events_of(api, "/tasks/a/events") as of_task:
        await reader.begin()
        begun = reader.last_id
        await of_task.take(1)
        await api.finish("a", Status.SUCCEEDED, RESULT)
        await of_task.rest()
        beating = asyncio.create_task(reader.next())
        await eventually(lambda: reader.comments and reader.last_id != begun)
        beating.cancel()
    assert set(reader.comments) == {"heartbeat"}


async def test_places_are_bounded_and_come_back(api: Api) -> None:
    """A client that goes away frees its place."""
    assert api.live.streams == 0
    async with events_of(api, "/events") as reader:
        await reader.begin()
        assert api.live.streams == 1
    await eventually(lambda: api.live.streams == 0)


@pytest.mark.parametrize("api_options", [{"max_streams": 1}])
async def test_a_process_has_only_so_many_streams(api: Api) -> None:
    async with events_of(api, "/events") as reader:
        await reader.begin()
        refusal = await api.refusal(503, "too_many_streams", "GET", "/events")
        assert "Api.max_streams" in refusal["detail"]


@pytest.mark.parametrize("api_options", [{"max_connections": 3}])
async def test_others_have_room_beside_streams_and_waits(api: Api) -> None:
    """Both together take four fifths of the connections: here, two of three."""
    async with events_of(api, "/events") as reader, events_of(api, "/events"):
        await reader.begin()
        await api.refusal(503, "too_many_streams", "GET", "/events")
        answer = await api.ask(
            "POST", "/tasks", json={"url": "http://example.com/"}, headers={"Prefer": "wait=50"}
        )
        assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)


@pytest.mark.parametrize("api_options", [{"max_streams_per_key": 1}])
async def test_a_key_has_only_so_many_streams(api: Api) -> None:
    """Another key has its own."""
    one, two = [bearer(await api.make_key(name, Scope.READ)) for name in ("one", "two")]
    async with events_of(api, "/events", key=one) as reader:
        await reader.begin()
        await api.refusal(429, "too_many_streams", "GET", "/events", headers=one)
        async with events_of(api, "/events", key=two) as other:
            await other.begin()


async def test_a_stop_ends_streams(api: Api) -> None:
    await api.submit(id="a")
    async with events_of(api, "/events") as reader, events_of(api, "/tasks/a/events") as of_task:
        await reader.begin()
        await of_task.take(1)
        stopping = asyncio.create_task(api.server.stop())
        assert await reader.next() is None
        await of_task.rest()
        await stopping


@pytest.mark.parametrize("path", ["/events", "/tasks/a/events"])
async def test_a_revoked_key_has_no_stream(api: Api, path: str) -> None:
    """It ends when the revocation is known."""
    key = bearer(await api.make_key("reader", Scope.SUBMIT, Scope.READ))
    await api.ask("POST", "/tasks", json={"url": "http://example.com/", "id": "a"}, headers=key)
    async with events_of(api, path, key=key) as reader:
        await api.revoke_key("reader")
        await reader.rest()
    await eventually(lambda: api.live.streams == 0)


async def test_a_slow_reader_is_cut(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded, and others go on."""
    monkeypatch.setattr(event_stream, "MOST_PENDING_BYTES", 1000)
    _, writer = await asyncio.open_connection("127.0.0.1", api.server.port, limit=1024)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await eventually(lambda: api.live.streams == 1)
    large = {"labels": {f"name-{number}": "x" * 200 for number in range(20)}}
    async with events_of(api, "/events") as quick:
        await quick.begin()
        number = 0
        while api.live.streams == 2:
            number += 1
            assert number < 5000
            await api.submit(id=f"t{number}", **large)
        assert len(await quick.take(number)) == number
    writer.close()


async def test_the_document_describes_events(api: Api) -> None:
    """The data of an event is as the view that the document names."""
    document = (await api.get("/openapi.json")).json
    for path in ("/events", "/tasks/{id}/events"):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
        data = content["schema"]["anyOf"][0]["properties"]["data"]
        names = [each["$ref"].rpartition("/")[2] for each in data["contentSchema"]["anyOf"]]
        assert names == ["TaskEventView", "EventGapView"]
    assert set(document["components"]["schemas"]["TaskEventView"]["required"]) == {
        "task_id",
        "status",
        "task",
    }
