"""Connections: slow clients are cut off, places are bounded, and a stop lets requests end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import RequestFailed
from tests.flow.api.harness import HEAD, Api, hasty, problem
from tests.tools.waiting import PATIENCE, in_time

LARGE_BYTES = 50_000_000


async def write_on(client: socket.socket) -> None:
    """Write until the other side is gone."""
    while True:
        await asyncio.sleep(0.05)  # slow bytes are the case under test
        await asyncio.get_running_loop().sock_sendall(client, b" ")


@hasty
async def test_a_half_sent_head_is_cut_off(api: Api) -> None:
    answer = await api.talk(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow")
    assert problem(answer)["code"] == "request_timeout"


@hasty
async def test_a_head_that_drips_in_is_cut_off(api: Api) -> None:
    """Bytes that keep coming do not buy time: the limit is on the whole head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(b"GET /health HTTP/1.1\r\n")
    end = asyncio.create_task(reader.read())
    async with in_time("the head is cut off"):
        while not end.done():
            writer.write(b"X-A: b\r\n")
            await asyncio.wait([end], timeout=0.05)
    writer.close()
    # Who goes on sending may get a reset in place of the answer.
    if not isinstance(end.exception(), ConnectionResetError):
        assert problem(end.result())["code"] == "request_timeout"


@hasty
async def test_a_second_request_that_stalls_is_cut_off(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200 ")
    writer.write(b"GET /livez HTTP/1.1\r\nHo")
    async with in_time("the second request is cut off"):
        assert problem(await reader.read())["code"] == "request_timeout"
    writer.close()


@hasty
async def test_a_half_sent_body_is_cut_off(api: Api) -> None:
    answer = await api.talk(HEAD + b'Content-Length: 100\r\n\r\n{"url":')
    assert problem(answer)["code"] == "request_timeout"
    answer = await api.talk(HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"ur')
    assert problem(answer)["code"] == "request_timeout"


async def test_a_client_that_gives_up_in_the_middle_of_a_body_makes_no_task(api: Api) -> None:
    body = b'{"url": "http://a/"}'
    _, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
    writer.write_eof()
    writer.close()
    assert (await api.get("/livez")).status == 200
    assert (await api.get("/tasks")).json["tasks"] == []
    assert not [event for event in api.events if isinstance(event, RequestFailed)]


@pytest.mark.parametrize("keepalive_timeout", [0.3])
async def test_a_connection_without_a_request_is_closed_after_the_keepalive_time(api: Api) -> None:
    assert await api.talk(b"") == b""


@asynccontextmanager
async def serving_much(limit: float) -> AsyncIterator[WebServer]:
    """A server that waits for `limit` seconds, with an answer too large for all buffers up to a client."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * LARGE_BYTES)

    app = web.Application()
    app.router.add_get("/", answer)
    server = WebServer(app, "127.0.0.1", 0, events=Events(), options=ServerSettings(request_timeout=limit))
    await server.start()
    yield server
    await server.stop()


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with serving_much(0.3) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            await asyncio.get_running_loop().sock_sendall(client, request)
            async with in_time("the client is cut off"):
                with pytest.raises(ConnectionResetError):
                    await write_on(client)


async def read_slowly(limit: float) -> int:
    """The bytes that a client gets that reads now and then, for longer than the limit."""
    async with serving_much(limit) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        loop, got = asyncio.get_running_loop(), 0
        started = loop.time()
        async with in_time("the whole answer"):
            with suppress(ConnectionError):
                while chunk := await reader.read(LARGE_BYTES // 20):
                    got += len(chunk)
                    if loop.time() - started < 1.4 * limit:
                        await asyncio.sleep(limit / 15)  # slow reading is the case under test
        writer.close()
        return got


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    """It reads for longer than the limit and is not cut off. A busy machine may let it read too late."""
    limit = 0.3
    while (got := await read_slowly(limit)) <= LARGE_BYTES and limit < PATIENCE:
        limit *= 4
    assert got > LARGE_BYTES


async def test_the_idlest_connection_gives_way_when_all_places_are_taken() -> None:
    """Silent sockets lock nobody out."""

    async def here(_: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", here)
    server = WebServer(app, "127.0.0.1", 0, events=Events(), options=ServerSettings(max_connections=2))
    await server.start()
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"here")
    assert await silent[0][0].read() == b""
    for _, each in (*silent, (reader, writer)):
        each.close()
    await server.stop()


async def test_probes_are_answered_when_all_places_are_busy() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        return web.Response(text="done")

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="alive")

    app = web.Application()
    app.router.add_get("/", slow)
    app.router.add_get("/livez", live)
    server = WebServer(app, "127.0.0.1", 0, events=Events(), options=ServerSettings(max_connections=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await begun.wait()
    for path, end in ((b"/livez", b"alive"), (b"/", b"}")):
        probe = await asyncio.open_connection("127.0.0.1", server.port)
        probe[1].write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await probe[0].read()
        assert answer.endswith(end)
        probe[1].close()
    assert problem(answer)["code"] == "too_many_connections"
    assert b"Retry-After: 1\r\n" in answer
    go_on.set()
    assert (await reader.read()).endswith(b"done")
    writer.close()
    await server.stop()


@hasty
async def test_a_silent_connection_is_closed_long_before_the_keepalive_time(api: Api) -> None:
    assert await api.talk(b"") == b""
