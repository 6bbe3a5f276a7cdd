"""Pieces of a connection: many requests in one piece, bodies full of blank lines."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.events import Events
from tests.tools.waiting import in_time

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
BLANK_LINES = b"\r\n" * 30_000
GARBAGE = b"garbage\r\n\r\n"


def of_length(body: bytes) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, trailers: bytes = b"") -> bytes:
    return POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    """Answers the number of bytes it got."""

    async def count(request: web.Request) -> web.Response:
        return web.Response(text=f"<{len(await request.read())}>")

    app = web.Application(client_max_size=1_000_000)
    app.router.add_route("*", "/", count)
    server = WebServer(app, "127.0.0.1", 0, events=Events(), options=ServerSettings())
    await server.start()
    yield server
    await server.stop()


async def talk(server: WebServer, *pieces: bytes) -> bytes:
    """Send each piece alone, and read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with in_time("the server closes the connection"):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 201, 2_000])
async def test_all_pipelined_requests_of_a_piece_are_answered(server: WebServer, count: int) -> None:
    """Also those beyond the parser's own queue of 32, which it parses later."""
    assert (await talk(server, GET * (count - 1) + LAST)).count(b"<0>") == count


@pytest.mark.parametrize("count", [1, 33, 201])
async def test_requests_before_a_malformed_one_are_answered(server: WebServer, count: int) -> None:
    answer = await talk(server, GET * count + GARBAGE)
    assert answer.count(b"<0>") == count
    assert answer.count(b"HTTP/1.1 400 ") == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(of_length(BLANK_LINES), id="content-length"),
        pytest.param(chunked(BLANK_LINES), id="chunked"),
        pytest.param(chunked(BLANK_LINES, b"X-Trailer: yes\r\n"), id="chunked-with-trailers"),
        pytest.param(of_length(b"garbage\r\n\r\n" * 4_000), id="garbage"),
        pytest.param(of_length(GET * 1_000), id="requests"),
        pytest.param(GET + BLANK_LINES, id="empty-lines-between-requests"),
    ],
)
async def test_blank_lines_are_not_fed_one_by_one(
    server: WebServer, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser is called per request and per piece of the socket, not per blank line."""
    parts = list[int]()
    feed = web.RequestHandler.data_received

    def counted(connection: web.RequestHandler, part: bytes) -> None:
        parts.append(len(part))
        feed(connection, part)

    monkeypatch.setattr(web.RequestHandler, "data_received", counted)
    answer = await talk(server, GET + body + GET + LAST)
    assert answer.count(b"HTTP/1.1 200 ") == 4
    assert len(parts) < 40, parts


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize(
    "body",
    [
        of_length(b"x\r\n\r\ny"),
        of_length(b""),
        chunked(b"x\r\n\r\ny"),
        chunked(b"\r\n0\r\n\r\n"),
        chunked(b"x", b"X-A: b\r\nX-C: d\r\n"),
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_a_request_is_the_same_wherever_its_bytes_are_cut(
    server: WebServer, body: bytes, cut: int
) -> None:
    """And requests between it and a malformed one are answered."""
    whole = GET + body + GET * 40 + GARBAGE
    at = len(GET) + len(body) - cut
    whole_answer = await talk(server, whole)
    assert whole_answer.count(b"HTTP/1.1 200 ") == 42
    cut_answer = await talk(server, whole[:at], whole[at:])
    assert cut_answer.count(b"HTTP/1.1 200 ") == 42
    assert cut_answer.count(b"HTTP/1.1 400 ") == 1


@pytest.mark.parametrize("make", [of_length, chunked])
async def test_a_body_larger_than_the_buffers_arrives_whole(
    server: WebServer, make: Callable[[bytes], bytes]
) -> None:
    """The parser stops reading while the body is unread, and is asked for the rest."""
    answer = await talk(server, make(b"\r\n" * 400_000) + GET * 50 + LAST)
    assert answer.count(b"<800000>") == 1
    assert answer.count(b"<0>") == 51
