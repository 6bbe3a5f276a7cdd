"""What browsers may do: the headers of every answer, and CORS."""

import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.http.answer_headers import SECURITY
from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer

APP = "https://app.example.com"
with_cors = pytest.mark.parametrize("server_settings", [ServerSettings(cors=(APP, "http://localhost:3000"))])


def refuse_unsafe(answer: Answer) -> None:
    """Every header that keeps other pages, frames and guesses away."""
    for name, value in SECURITY.items():
        given = answer.headers.getall(name)
        assert len(given) == 1, (name, given)
        if name == "Content-Security-Policy":
            assert "default-src 'none'" in given[0]
            assert "frame-ancestors 'none'" in given[0]
        else:
            assert given == [value]
    assert "Strict-Transport-Security" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-Request-Id"]


async def head_of(api: Api, method: str, path: str, **options: Any) -> Answer:
    """The head alone: some bodies are streams without an end."""
    url = f"http://127.0.0.1:{api.server.port}{path}"
    async with api.session.request(method, url, **options) as response:
        return Answer(response.status, response.headers, b"")


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_every_route_has_the_headers(api: Api, route: tuple[str, str]) -> None:
    """In its answer, in the refusal of a stranger, and in one for a query or a method that it has not."""
    method, path = route
    made = (await api.submit(id="x")).json["id"]
    await api.finish(made, Status.SUCCEEDED, Response(status=200, body=b"<script>", size_bytes=8))
    asked = re.sub(r"{(\w+)}", lambda part: _EXAMPLES.get(part[1], "x"), path)
    body: dict[str, Any] = {"json": {}} if method != "GET" else {}
    refuse_unsafe(await head_of(api, method, asked, **body))
    refuse_unsafe(await head_of(api, "GET", f"{asked}?no_such=1"))
    refuse_unsafe(await head_of(api, "QUERY", asked))
    refuse_unsafe(await head_of(api, "OPTIONS", asked))
    await api.make_key("boss", Scope.ADMIN)
    refuse_unsafe(await head_of(api, method, asked, **body))


_EXAMPLES = {
    "id": "x",
    "name": "x",
    "key": "x",
    "host": "example.com",
    "pattern": "example.com",
    "number": "1",
    "file": "viewer.js",
}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/nowhere", {}),
        ("GET", "/tasks/", {}),
        ("OPTIONS", "/nowhere", {}),
        ("GET", "/tasks", {"Host": "evil.example"}),
        ("POST", "/tasks", {"Origin": "https://evil.example"}),
        ("POST", "/tasks", {"Content-Type": "text/plain"}),
        ("POST", "/tasks", {"Expect": "200-maybe"}),
        ("GET", "/", {"Accept": "text/html"}),
        ("NONSENSE", "/", {}),
    ],
)
async def test_so_does_every_refusal(api: Api, method: str, path: str, headers: dict[str, str]) -> None:
    """Also a redirect, and the page of the console."""
    refuse_unsafe(await api.ask(method, path, headers=headers, allow_redirects=False))


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % each for each in range(200)) + b"\r\n",
    ],
)
async def test_so_does_an_answer_to_what_is_no_request(api: Api, sent: bytes) -> None:
    answer = await api.talk(sent)
    for name, value in SECURITY.items():
        assert answer.count(f"\r\n{name}: {value}\r\n".encode()) == 1


async def test_only_tls_is_to_be_used_from_then_on(tmp_path: Path) -> None:
    """RFC 6797: told over TLS, and by no plain answer."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = ServerSettings(cert_file=str(tmp_path / "pem"))
    server = WebServer(web.Application(), "127.0.0.1", 0, events=Events(), options=options)
    await server.start()
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/nowhere"):
            url = f"https://localhost:{server.port}{path}"
            async with session.get(url, ssl=context) as answer:
                assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    await server.stop()


@pytest.mark.parametrize("server_settings", [ServerSettings(trusted_proxies=("127.0.0.1/32",))])
async def test_a_trusted_proxy_may_have_ended_tls(api: Api) -> None:
    for scheme, told in (("https", True), ("http", False)):
        answer = await api.ask("GET", "/livez", headers={"X-Forwarded-Proto": scheme})
        assert ("Strict-Transport-Security" in answer.headers) == told


@with_cors
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/tasks", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/tasks/x", {"GET", "HEAD", "OPTIONS", "DELETE"}),
        ("/tasks/batch", {"OPTIONS", "POST"}),
        ("/api/v1/schedules/x", {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}),
    ],
)
async def test_a_preflight_tells_the_methods_of_the_route(api: Api, path: str, methods: set[str]) -> None:
    """Without a key: browsers send none with it."""
    await api.make_key("boss", Scope.ADMIN)
    headers = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    answer = await api.ask("OPTIONS", path, headers=headers)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "if-match"} <= set(allowed)
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    vary = ", ".join(answer.headers.getall("Vary"))
    assert vary == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


OTHERS = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://x.app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "null",
    "",
]


@with_cors
@pytest.mark.parametrize("origin", OTHERS)
async def test_no_other_origin_is_let_in(api: Api, origin: str) -> None:
    """Neither asked before nor with the request itself; a cache learns that the answer depends on it."""
    headers = {"Origin": origin}
    preflight = await api.ask(
        "OPTIONS", "/tasks", headers={**headers, "Access-Control-Request-Method": "POST"}
    )
    read = await api.ask("GET", "/tasks", headers=headers)
    for answer in (preflight, read):
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert "Origin" in ", ".join(answer.headers.getall("Vary"))
    refused = {**headers, "Sec-Fetch-Site": "cross-site"}
    await api.refusal(403, "cross_site_request", "POST", "/pause?queue=high", headers=refused)
    assert (await api.ask("POST", "/pause?queue=high", headers=headers)).status == 403


@with_cors
@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_a_page_of_a_named_origin_uses_the_api(api: Api, origin: str, site: str | None) -> None:
    """With its key; errors can be read, too."""
    key = bearer(await api.make_key("web", Scope.SUBMIT, Scope.READ))
    headers = {"Origin": origin, **({"Sec-Fetch-Site": site} if site else {})}
    sent = {"url": "http://example.com/"}
    answers = [
        await api.ask("POST", "/tasks", json=sent, headers={**headers, **key}),
        await api.ask("GET", "/tasks/nothing", headers={**headers, **key}),
        await api.ask("GET", "/nowhere", headers=headers),
        await api.ask("GET", "/tasks", headers=headers),
        await api.ask("POST", "/tasks", json=[], headers={**headers, **key}),
    ]
    assert [answer.status for answer in answers] == [202, 404, 404, 401, 422]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in ", ".join(answer.headers.getall("Vary"))
        shown = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Location", "Retry-After", "RateLimit", "X-Request-Id"} <= set(shown)
        assert "Access-Control-Allow-Credentials" not in answer.headers


@with_cors
async def test_a_client_that_is_no_browser_is_told_nothing(api: Api) -> None:
    """But a cache is."""
    answer = await api.get("/tasks")
    assert (answer.status, answer.headers.getall("Vary")[-1]) == (200, "Origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_without_cors_there_is_no_trace_of_it(api: Api) -> None:
    headers = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    answer = await api.ask("OPTIONS", "/tasks", headers=headers)
    assert (answer.status, answer.headers.get("Vary")) == (204, None)
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
