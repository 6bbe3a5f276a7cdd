"""Behind a proxy: what it tells is believed if it is trusted, and links lead the client back through it."""

import json

import pytest

from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

trusting = pytest.mark.parametrize(
    "server_settings", [ServerSettings(trusted_proxies=("127.0.0.0/8",), hosts=("tasks.example.com",))]
)
public = pytest.mark.parametrize(
    "server_settings", [ServerSettings(public_url="https://tasks.example.com/queue")]
)
CLIENT = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
CRON = {"name": "nightly", "cron": "0 4 * * *", "task": {"url": "http://example.com/"}}


async def links(api: Api, below: str, told: dict[str, str]) -> list[str]:
    """The links in answers of all kinds."""
    headers = {**told, **bearer(await api.make_key("boss", Scope.ADMIN))}
    sent = {"url": "http://example.com/"}
    made = await api.ask("POST", f"{below}/tasks", json=sent, headers=headers)
    await api.finish(made.json["id"], Status.SUCCEEDED, Response(status=200, body=b"x", size_bytes=1))
    shown = await api.ask("GET", f"{below}/tasks/{made.json['id']}", headers=headers)
    scheduled = await api.ask("POST", f"{below}/schedules", json=CRON, headers=headers)
    run = await api.ask("POST", f"{below}/schedules/nightly/run", headers=headers)
    other = await api.ask("GET", f"{below}/tasks/", headers=headers, allow_redirects=False)
    document = await api.ask("GET", "/openapi.json", headers=headers)
    assert other.status == 308
    found = [
        made.headers["Location"],
        shown.json["result"]["body_url"],
        scheduled.headers["Location"],
        run.headers["Location"],
        other.headers["Location"],
        *(each["url"] for each in json.loads(document.content)["servers"]),
    ]
    return [link.replace(made.json["id"], "ID").replace(run.json["id"], "ID") for link in found]


def expected(root: str, below: str) -> list[str]:
    paths = ["tasks/ID", "tasks/ID/body", "schedules/nightly", "tasks/ID", "tasks"]
    return [*(f"{root}{below}/{path}" for path in paths), root or "/", f"{root}/api/v1"]


@pytest.mark.parametrize("below", ["", "/api/v1"])
async def test_links_begin_where_the_api_does(api: Api, below: str) -> None:
    """And no header of a stranger changes that."""
    assert await links(api, below, {"X-Forwarded-Prefix": "/evil"}) == expected("", below)


@trusting
@pytest.mark.parametrize("below", ["", "/api/v1"])
async def test_links_begin_with_the_prefix_of_a_trusted_proxy(api: Api, below: str) -> None:
    assert await links(api, below, {"X-Forwarded-Prefix": "/queue/"}) == expected("/queue", below)


@public
@pytest.mark.parametrize("below", ["", "/api/v1"])
async def test_links_begin_with_the_public_url(api: Api, below: str) -> None:
    root = "https://tasks.example.com/queue"
    assert await links(api, below, {"X-Forwarded-Prefix": "/evil"}) == expected(root, below)


@public
async def test_the_host_of_the_public_url_is_known(api: Api) -> None:
    """Its pages, too, with their scheme and port."""
    headers = {"Host": "tasks.example.com", "Origin": "https://tasks.example.com"}
    assert (await api.ask("POST", "/pause?queue=high", headers=headers)).status == 200
    other = headers | {"Host": "127.0.0.1", "Origin": "https://tasks.example.com:8443"}
    await api.refusal(403, "cross_site_request", "POST", "/pause?queue=high", headers=other)
    await api.refusal(421, "host_unknown", "GET", "/tasks", headers={"Host": "other.example.com"})


@trusting
@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"X-Forwarded-Host": "tasks.example.com"}, True),
        ({"Forwarded": "for=1.1.1.1;host=tasks.example.com"}, True),
        ({"X-Forwarded-Host": "evil.example"}, False),
        ({"Forwarded": 'for=1.1.1.1;host="evil.example:80"'}, False),
        ({"X-Forwarded-Host": "127.0.0.1", "Host": "evil.example"}, False),
        ({"X-Forwarded-Host": "tasks.example.com", "Host": "evil.example"}, False),
    ],
)
async def test_the_host_is_checked_in_each_header(api: Api, headers: dict[str, str], known: bool) -> None:
    """A page whose name leads to this machine (DNS rebinding) may set any header but Host."""
    answer = await api.ask("GET", "/health", headers=headers)
    assert answer.status == (200 if known else 421)


@trusting
@pytest.mark.parametrize(
    ("told", "origin", "status"),
    [
        ({"X-Forwarded-Host": "tasks.example.com"}, "https://tasks.example.com", 200),
        ({"X-Forwarded-Host": "tasks.example.com", **CLIENT}, "https://tasks.example.com", 200),
        ({"X-Forwarded-Host": "tasks.example.com", **CLIENT}, "http://tasks.example.com", 403),
        ({"X-Forwarded-Host": "tasks.example.com", **CLIENT}, "https://tasks.example.com:444", 403),
        ({"X-Forwarded-Host": "tasks.example.com", **CLIENT}, "https://127.0.0.1", 403),
        ({"Forwarded": "proto=http;host=tasks.example.com"}, "http://tasks.example.com", 200),
        ({"Forwarded": "proto=http;host=tasks.example.com"}, "https://tasks.example.com", 403),
    ],
)
async def test_the_origin_is_compared_with_what_the_browser_knows(
    api: Api, told: dict[str, str], origin: str, status: int
) -> None:
    """Scheme, host and port, as the proxy tells them."""
    key = bearer(await api.make_key("boss", Scope.ADMIN))
    answer = await api.ask("POST", "/pause?queue=high", headers={**key, **told, "Origin": origin})
    assert answer.status == status


@trusting
async def test_the_audit_has_the_client(api: Api) -> None:
    """Not the proxy."""
    key = bearer(await api.make_key("boss", Scope.ADMIN))
    told = {"Forwarded": 'for=6.6.6.6, for="[2001:db8::7]:4711"'}
    await api.ask("POST", "/pause?queue=high", headers={**key, **told})
    (entry,) = (await api.ask("GET", "/audit", headers=key)).json["entries"]
    assert entry["origin"] == "2001:db8::7"


async def test_the_audit_believes_no_stranger(api: Api) -> None:
    key = bearer(await api.make_key("boss", Scope.ADMIN))
    told = {"Forwarded": "for=6.6.6.6", "X-Forwarded-For": "6.6.6.6"}
    await api.ask("POST", "/pause?queue=high", headers={**key, **told})
    (entry,) = (await api.ask("GET", "/audit", headers=key)).json["entries"]
    assert entry["origin"] == "127.0.0.1"


@trusting
@pytest.mark.parametrize("access_settings", [AccessSettings(local=True)])
@pytest.mark.parametrize("headers", [{}, CLIENT, {"X-Forwarded-For": "127.0.0.1"}])
async def test_what_comes_by_a_trusted_proxy_is_not_of_this_machine(
    api: Api, headers: dict[str, str]
) -> None:
    """Until there is a key, this machine needs none; everybody else does."""
    await api.refusal(401, "key_missing", "GET", "/tasks", headers=headers)


@trusting
async def test_a_header_that_cannot_be_read_is_refused(api: Api) -> None:
    members = await api.refusal(400, "bad_header", "GET", "/tasks", headers={"Forwarded": 'for="'})
    assert members["detail"].startswith("Forwarded: ")
