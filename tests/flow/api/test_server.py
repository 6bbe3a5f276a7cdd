"""The server's bounds: what a client may send, how slowly, and how it ends."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

from taskrunner.api.http.server import WebServer
from taskrunner.domain.errors import SetupError
from taskrunner.domain.events import Event, Events
from taskrunner.domain.process_events import PortOpened, RequestFailed
from taskrunner.domain.tasks.task_fields import RESERVED_IDS
from tests.flow.api.harness import HEAD, Api, hasty, problem

URL = "http://example.com/"
VERBS = ("batch",)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url_too_long"),
        (b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url_too_long"),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 17_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method_unknown"),
        (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method_unknown"),
        (b"PROPFIND / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method_unknown"),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "http_version_unsupported"),
        (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "http_version_unsupported"),
        (b"GET / HTTP/0.9\r\nHost: localhost\r\n\r\n", 505, "http_version_unsupported"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X-A: " + b"b" * 8000 + b"\r\n") * 10 + b"\r\n",
            431,
            "headers_too_large",
        ),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded: c\r\nHost\x00: a\r\n\r\n", 400, "bad_request"),
        (
            b"POST /tasks HTTP/1.1\r\nHost: ::1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "bad_request",
        ),
        (b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
    ],
)
async def test_what_breaks_http_is_a_problem(api: Api, sent: bytes, status: int, code: str) -> None:
    members = problem(await api.talk(sent))
    assert (members["status"], members["code"]) == (status, code)


async def test_a_long_but_allowed_url_gets_through(api: Api) -> None:
    answer = await api.get("/tasks/" + "a" * 8000)
    assert (answer.status, answer.json["code"]) == (404, "task_unknown")


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/nothing", "/api/v2/tasks", "/no/", "//tasks/", "/a%00"]
)
async def test_an_unknown_path_is_a_problem(api: Api, path: str) -> None:
    await api.refusal(404, "not_found", "GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tasks", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/api/v1/tasks/x", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/dead-letters/x/requeue", "OPTIONS, POST"),
        ("DELETE", "/dead-letters", "GET, HEAD, OPTIONS"),
        ("QUERY", "/tasks", "GET, HEAD, OPTIONS, POST"),
        *((method, f"/tasks/{verb}", "OPTIONS, POST") for method in ("GET", "DELETE") for verb in VERBS),
        ("DELETE", "/api/v1/operations", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_a_method_that_is_not_for_a_path_tells_which_are(
    api: Api, method: str, path: str, allowed: str
) -> None:
    await api.refusal(405, "method_not_allowed", method, path)
    assert (await api.ask(method, path)).headers["Allow"] == allowed


async def test_no_task_can_have_the_id_of_a_verb(api: Api) -> None:
    """The path would be that of the verb; with a verb for a part, an id is an unknown one."""
    fixed = {
        route.resource.canonical.rpartition("/")[2]
        for route in api.app.router.routes()
        if route.resource and re.match("/(tasks|dead-letters)/[a-z]+$", route.resource.canonical)
    }
    assert fixed == RESERVED_IDS
    for verb in sorted(RESERVED_IDS):
        problem = await api.refusal(422, "task_invalid", "POST", "/tasks", json={"url": URL, "id": verb})
        assert "use another id" in problem["errors"][0]["message"]
        await api.refusal(404, "task_unknown", "GET", f"/tasks/{verb}/attempts")
    await api.refusal(422, "task_invalid", "POST", "/tasks", json={"url": URL, "id": "report:1"})
    assert (await api.submit(id="cancelled")).status == 202


@hasty
async def test_expect_is_answered_before_the_body_is_sent(api: Api) -> None:
    answer = await api.talk(HEAD + b"Expect: 100-continue\r\nContent-Length: 20\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    answer = await api.talk(HEAD + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
    assert problem(answer)["code"] == "body_too_large"
    answer = await api.talk(HEAD + b"Connection: close\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n")
    assert problem(answer)["code"] == "expectation_failed"


async def test_an_unexpected_error_is_an_id_to_the_client_and_an_event_to_us(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("s3cret inner text")

    monkeypatch.setattr(api.store, "get", broken)
    answer = await api.get("/tasks/x")
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert b"s3cret" not in answer.content
    (event,) = [event for event in api.events if isinstance(event, RequestFailed)]
    assert answer.json["instance"] == f"urn:uuid:{event.id}"
    assert (event.method, event.path, str(event.error)) == ("GET", "/tasks/x", "s3cret inner text")


async def test_a_port_that_is_taken_is_a_clear_error(api: Api) -> None:
    other = WebServer(web.Application(), "127.0.0.1", api.server.port, events=Events(), setting="Server.port")
    with pytest.raises(SetupError, match=rf"127\.0\.0\.1:{api.server.port} is in use.*Server\.port"):
        await other.start()
    await other.stop()


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_a_clear_error(host: str) -> None:
    server = WebServer(web.Application(), host, 0, events=Events())
    with pytest.raises(SetupError, match=f"{host} is not an address of this machine"):
        await server.start()


async def test_requests_before_garbage_are_answered(api: Api) -> None:
    asked = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await api.talk(asked + asked + b"\x00garbage\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.1 400 ") == 1


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/tasks", "GET, HEAD, OPTIONS, POST"),
        ("/tasks/batch", "OPTIONS, POST"),
    ],
)
async def test_options_tell_the_methods(api: Api, path: str, allowed: str) -> None:
    answer = await api.ask("OPTIONS", path)
    assert (answer.status, answer.headers["Allow"], answer.content) == (204, allowed, b"")


async def test_a_trailing_slash_leads_to_the_path_without(api: Api) -> None:
    answer = await api.ask("GET", "/tasks/?limit=1", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (308, "/tasks?limit=1")
    assert (await api.ask("POST", "/tasks/", json={"url": "http://example.com/"})).status == 202


async def test_an_expectation_of_http_1_0_is_ignored(api: Api) -> None:
    head = b"POST /tasks HTTP/1.0\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    answer = await api.talk(head + b'Content-Length: 29\r\n\r\n{"url":"http://example.com/"} ')
    assert answer.startswith(b"HTTP/1.0 202 ")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("*", "gzip"), ("gzip;q=0", None), ("identity", None)],
)
async def test_a_large_answer_is_compressed_on_request(api: Api, accepted: str, coding: str | None) -> None:
    answer = await api.ask("GET", "/openapi.json", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json["openapi"] == "3.1.1"


@pytest.mark.parametrize("coding", ["zstd", "br", "snappy", "gzip, gzip"])
async def test_an_unknown_coding_is_415(api: Api, coding: str) -> None:
    head = (
        HEAD
        + b"Content-Encoding: "
        + coding.encode()
        + b"\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = await api.talk(head)
    assert problem(answer)["code"] == "unsupported_media_type"
    assert b"Accept-Encoding: gzip" in answer


async def test_a_request_in_flight_ends_before_the_server_stops() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", slow)
    server = WebServer(app, "127.0.0.1", 0, events=Events())
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await begun.wait()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    go_on.set()
    answer = await reader.read()
    assert answer.endswith(b"done")
    assert b"\r\nConnection: close\r\n" in answer
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    writer.close()


async def test_a_kept_connection_may_ask_once_more_while_the_server_stops(api: Api) -> None:
    """A request that was on its way is answered; a connection that stays idle is closed."""
    asking, idle = [await asyncio.open_connection("127.0.0.1", api.server.port) for _ in range(2)]
    for reader, writer in (asking, idle):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"Connection: close" not in await reader.readuntil(b"}")
    stopping = asyncio.create_task(api.server.stop())
    await asyncio.sleep(0)
    asking[1].write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in await asking[0].read()
    assert await idle[0].read() == b""
    await stopping
    for _, writer in (asking, idle):
        writer.close()


async def test_a_server_can_be_stopped_twice_and_before_it_started() -> None:
    server = WebServer(web.Application(), "127.0.0.1", 0, events=Events())
    await server.stop()
    server = WebServer(web.Application(), "127.0.0.1", 0, events=Events())
    await server.start()
    await server.stop()
    await server.stop()


@pytest.mark.parametrize("host", ["::", "0::0", "0:0:0:0:0:0:0:0", "::0.0.0.0"])
async def test_every_address_is_listened_on_in_both_families(host: str) -> None:
    events, seen = Events(), list[Event]()
    events.subscribe(seen.append)
    server = WebServer(web.Application(), host, 0, events=events)
    await server.start()
    for address in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(address, server.port)
        writer.close()
    assert PortOpened(address=f"[{host}]:{server.port}", setting="Api.port") in seen
    await server.stop()
