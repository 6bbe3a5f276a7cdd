"""Streams of all tasks that match: complete or told, in order, masked, at the pace of the reader."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import fakeredis
import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.process_events import RequestFailed
from tests.contract.stores.harness import NOW, entry, make_task
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN
from tests.tools.waiting import eventually, in_time

LINES = {"Accept": "application/x-ndjson"}
# Of one task, so that a few hundred are more than the sockets of both sides hold.
LARGE = {f"label-{number}": "x" * 200 for number in range(60)}


async def bring(api: Api, count: int, *, prefix: str = "t", **fields: Any) -> list[str]:
    """So many tasks, in the order of their creation."""
    ids = [f"{prefix}{number:04}" for number in range(count)]
    tasks = [
        entry(make_task(id=task_id, created_at=NOW + timedelta(seconds=number), **fields))
        for number, task_id in enumerate(ids)
    ]
    await api.store.accept(tasks)
    return ids


def read_lines(content: bytes) -> tuple[list[Any], Any]:
    """The tasks of a stream and how it ended."""
    *tasks, last = (json.loads(line) for line in content.splitlines())
    assert list(last) == ["end"]
    return tasks, last["end"]


@asynccontextmanager
async def slow_reader(
    api: Api, path: str, *, key: dict[str, str] | None = None
) -> AsyncIterator[asyncio.StreamReader]:
    """A client with small buffers that has read the head of an answer, and nothing more yet."""
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", api.server.port))
    reader, writer = await asyncio.open_connection(sock=plug, limit=4096)
    headers = {"Host": "localhost", **LINES, **(key or {})}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader
    finally:
        writer.close()


def unchunked(body: bytes) -> tuple[bytes, bool]:
    """The content of a chunked body, and whether its last chunk has come (RFC 9112 7.1)."""
    content = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return bytes(content), True
        content += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return bytes(content), False


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_stream_has_every_task_once(api: Api, prefix: str) -> None:
    """More than are read at a time, in the order that is asked for; then how it ended."""
    ids = await bring(api, 230)
    for query, expected in (
        ("", ids[::-1]),
        ("?sort=created_at", ids),
        ("?sort=created_at&label_text=nobody", []),
        ("?status=succeeded", []),
    ):
        answer = await api.ask("GET", f"{prefix}/tasks{query}", headers=LINES)
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert answer.headers["Vary"] == "Accept"
        assert answer.headers["X-Request-Id"]
        tasks, end = read_lines(answer.content)
        assert [task["id"] for task in tasks] == expected
        assert end == {"count": len(expected), "complete": True, "next_cursor": None, "problem": None}


async def test_lines_are_tasks_as_in_lists(api: Api) -> None:
    """With masked secrets and the members that are asked for; a cursor begins further on."""
    await bring(
        api,
        3,
        headers={"Authorization": "Bearer hidden", "X-Tenant": "hidden"},
        url="http://u:hidden@a.test/",
    )
    for query in ("?sort=created_at", "?view=basic", "?fields=id,url"):
        listed = (await api.get(f"/tasks{query}")).json["tasks"]
        answer = await api.ask("GET", f"/tasks{query}", headers=LINES)
        assert read_lines(answer.content)[0] == listed
        assert b"hidden" not in answer.content
    page = (await api.get("/tasks?limit=1")).json
    answer = await api.ask("GET", f"/tasks?cursor={page['next_cursor']}", headers=LINES)
    assert [task["id"] for task in read_lines(answer.content)[0]] == ["t0001", "t0000"]


async def test_what_is_wrong_is_told_before_a_stream_begins(api: Api) -> None:
    """As for a page. A limit, which pages have, would be ignored."""
    for query, field in (
        ("limit=5", "limit"),
        ("cursor=x", "cursor"),
        ("colour=x", "colour"),
        ("sort=x", "sort"),
    ):
        problem = await api.refusal(400, "bad_query", "GET", f"/tasks?{query}", headers=LINES)
        assert [error["field"] for error in problem["errors"]] == [field]
    api.redis.connected = False
    await api.refusal(503, "store_unavailable", "GET", "/tasks", headers=LINES)


async def test_a_head_has_no_lines(api: Api) -> None:
    await bring(api, 2)
    answer = await api.ask("HEAD", "/tasks", headers=LINES)
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/x-ndjson"


async def test_an_old_client_sees_the_end_as_well(api: Api) -> None:
    """HTTP/1.0 has no chunks, so the last line alone tells a whole stream from a cut one."""
    await bring(api, 120)
    received = await api.talk(
        b"GET /tasks HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"
    )
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert read_lines(body)[1]["complete"]


async def test_the_store_is_read_as_the_client_reads(api: Api) -> None:
    """What is created while a client is slow is still in the stream: nothing was read ahead of it."""
    ids = await bring(api, 900, labels=LARGE)
    async with slow_reader(api, "/tasks?sort=created_at&fields=id,labels") as reader:
        await reader.readuntil(b"t0000")
        late = make_task(id="late", created_at=NOW + timedelta(days=1))
        await api.store.accept([entry(late)])
        # Others are answered meanwhile.
        assert (await api.get("/tasks/t0899?fields=id")).json == {"id": "t0899"}
        seen = b""
        async with in_time("the rest of the stream"):
            while b'"end"' not in seen[-400:]:
                seen = seen[-200_000:] + await reader.read(65536)
    assert b'"id":"late"' in seen
    assert f'"count":{len(ids) + 1},"complete":true'.encode() in seen


async def test_a_stream_that_breaks_tells_so_and_can_be_continued(api: Api) -> None:
    """The last line has the problem and where to go on, and the last chunk never comes."""
    ids = await bring(api, 900, labels=LARGE)
    async with slow_reader(api, "/tasks?sort=created_at&fields=id,labels") as reader:
        api.redis.connected = False
        async with in_time("the end of the stream"):
            content, whole = unchunked(await reader.read())
    assert not whole
    tasks, end = read_lines(content)
    assert end["complete"] is False
    assert (end["problem"]["status"], end["problem"]["code"]) == (503, "store_unavailable")
    assert end["problem"]["request_id"]
    assert end["count"] == len(tasks) < len(ids)
    api.redis.connected = True
    path = f"/tasks?sort=created_at&fields=id&cursor={end['next_cursor']}"

    async def goes_on() -> Answer | None:
        answer = await api.ask("GET", path, headers=LINES)
        return answer if answer.status == 200 else None

    await eventually(goes_on)
    rest = await api.ask("GET", path, headers=LINES)
    assert [task["id"] for task in [*tasks, *read_lines(rest.content)[0]]] == ids


async def test_an_unexpected_error_cuts_the_stream(api: Api) -> None:
    """No last line, no last chunk, and the log has it."""
    await bring(api, 150)
    redis = fakeredis.FakeRedis(server=api.redis)
    (record,) = redis.keys("*task:t0120")
    assert redis.hset(record, "status", "bogus") == 0
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.ask("GET", "/tasks?sort=created_at", headers=LINES)
    await eventually(lambda: [event for event in api.events if isinstance(event, RequestFailed)])


async def test_only_so_many_streams_at_a_time(api: Api) -> None:
    """One more is refused, until a client has gone."""
    await bring(api, 600, labels=LARGE)
    path = "/tasks?fields=labels"
    async with slow_reader(api, path):
        readers = [slow_reader(api, path) for _ in range(19)]
        await asyncio.gather(*(each.__aenter__() for each in readers))
        refusal = await api.ask("GET", path, headers=LINES)
        assert (refusal.status, refusal.json["code"]) == (503, "too_many_streams")
        assert refusal.headers["Retry-After"] == "10"
        assert (await api.get("/tasks?limit=1&fields=id")).status == 200
        await asyncio.gather(*(each.__aexit__(None, None, None) for each in readers))

        async def is_free() -> bool:
            return (await api.ask("GET", "/tasks?status=succeeded", headers=LINES)).status == 200

        await eventually(is_free)


async def test_a_key_has_only_so_many_streams(api: Api) -> None:
    """One more is refused before anything is read; another key has its own."""
    await bring(api, 600, labels=LARGE)
    path = "/tasks?fields=labels"
    one, two = [bearer(await api.make_key(name, Scope.READ, Scope.READ_ALL)) for name in ("one", "two")]
    readers = [slow_reader(api, path, key=one) for _ in range(5)]
    await asyncio.gather(*(each.__aenter__() for each in readers))
    refusal = await api.refusal(429, "too_many_streams", "GET", path, headers={**LINES, **one})
    assert "'one'" in refusal["detail"]
    async with slow_reader(api, path, key=two):
        await asyncio.gather(*(each.__aexit__(None, None, None) for each in readers))

    async def is_free() -> bool:
        answer = await api.ask("GET", "/tasks?status=succeeded", headers={**LINES, **one})
        return answer.status == 200

    await eventually(is_free)


async def test_a_stream_ends_when_its_key_is_revoked(api: Api) -> None:
    """Before the next page, and without the last line: it is not complete."""
    ids = await bring(api, 900, labels=LARGE)
    key = bearer(await api.make_key("reader", Scope.READ, Scope.READ_ALL))
    async with slow_reader(api, "/tasks?sort=created_at&fields=id,labels", key=key) as reader:
        await api.revoke_key("reader")
        async with in_time("the end of the stream"):
            content, whole = unchunked(await reader.read())
    assert not whole
    assert b'"end"' not in content
    assert 0 < content.count(b"\n") < len(ids)


async def test_a_stream_has_nothing_of_others(api: Api) -> None:
    keys = {name: bearer(await api.make_key(name, *OWN)) for name in ("mine", "theirs")}
    keys["boss"] = bearer(await api.make_key("boss", Scope.ADMIN))
    await bring(api, 120, prefix="theirs~t")
    await bring(api, 3, prefix="mine~t")
    for name, count in (("mine", 3), ("theirs", 120), ("boss", 123)):
        answer = await api.ask("GET", "/tasks", headers={**LINES, **keys[name]})
        tasks, _ = read_lines(answer.content)
        assert len(tasks) == count
        assert (b"~" in answer.content) is (name == "boss")
    lacking = bearer(await api.make_key("sender", Scope.SUBMIT))
    await api.refusal(403, "scope_missing", "GET", "/tasks", headers={**LINES, **lacking})
