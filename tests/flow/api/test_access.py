"""Who may use the API: without a key, with one, and with one that lacks a scope."""

import base64
import re
from typing import Any

import pytest
from multidict import CIMultiDict

from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.auth.scopes import ROUTES
from taskrunner.domain.keys.api_key import Scope, configured_key, new_secret
from taskrunner.monitor.health import Check
from taskrunner.producer.key_admin import KeyAdmin
from tests.flow.api.harness import Api, problem

EVERYTHING = (Scope.ADMIN,)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def paths() -> list[tuple[str, str]]:
    """Every route that needs a scope, with something in the place of each parameter."""
    return [
        (method, re.sub("{(?!number)[a-z]+}", "x.test", path).format(number=1))
        for (method, path), needs in ROUTES.items()
        if needs.scopes
    ]


async def test_until_there_is_a_key_loopback_needs_none(api: Api) -> None:
    """From the first one on, everybody does, also once it is revoked."""
    assert (await api.get("/tasks")).status == 200
    await api.make_key("first", Scope.ADMIN)
    await api.refusal(401, "key_missing", "GET", "/tasks")
    await KeyAdmin(api.store, api.clock).revoke("first")
    await api.keys.turn()
    await api.refusal(401, "key_missing", "GET", "/tasks")


async def test_a_key_that_leaves_the_configuration_opens_nothing(api: Api) -> None:
    """A reload with an empty file of keys must not let everybody in."""
    api.keys.configure([configured_key("ci", new_secret(), EVERYTHING)])
    await api.refusal(401, "key_missing", "GET", "/tasks")
    api.keys.configure([])
    await api.keys.turn()
    await api.refusal(401, "key_missing", "GET", "/tasks")
    await api.refusal(401, "key_missing", "GET", "/stats")


async def test_the_use_of_a_configured_key_is_remembered(api: Api) -> None:
    """The store has its use, though not the key."""
    key = configured_key("ci", secret := new_secret(), EVERYTHING)
    api.keys.configure([key])
    assert (await api.ask("GET", "/tasks", headers=bearer(secret))).status == 200
    await api.keys.turn()
    known = await KeyAdmin(api.store, api.clock, configured=lambda: [key]).get("ci")
    assert known.last_used_at is not None


@pytest.mark.parametrize("access_settings", [AccessSettings(local=False)])
async def test_beyond_loopback_nobody_gets_in_without_a_key(api: Api) -> None:
    """Also while there is none."""
    await api.refusal(401, "key_missing", "GET", "/tasks")


@pytest.mark.parametrize("access_settings", [AccessSettings(auth=Auth.LOOPBACK)])
async def test_with_loopback_a_key_may_be_left_out(api: Api) -> None:
    """One that is given counts."""
    secret = await api.make_key("reader", Scope.READ)
    assert (await api.submit()).status == 202
    await api.refusal(403, "scope_missing", "POST", "/tasks", json={}, headers=bearer(secret))


@pytest.mark.parametrize("access_settings", [AccessSettings(auth=Auth.NONE, local=False)])
async def test_with_none_everybody_gets_in(api: Api) -> None:
    await api.make_key("first", Scope.ADMIN)
    assert (await api.submit()).status == 202
    assert (await api.get("/health")).json["auth"] == "none"


@pytest.mark.parametrize("access_settings", [AccessSettings(), AccessSettings(auth=Auth.LOOPBACK)])
async def test_health_tells_only_of_an_api_for_everybody(api: Api) -> None:
    assert "auth" not in (await api.get("/health")).json


@pytest.mark.parametrize(("method", "path"), paths())
async def test_every_route_asks_for_a_key(api: Api, method: str, path: str) -> None:
    """And tells how to send one. A key without any scope of the route gets no further."""
    secret = await api.make_key("none", Scope.READ_ALL)
    answer = await api.ask(method, path)
    assert (answer.status, answer.json["code"]) == (401, "key_missing")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="taskrunner", Basic ')
    await api.refusal(403, "scope_missing", method, path, headers=bearer(secret))


async def test_no_dialog_of_the_browser_covers_the_console(api: Api) -> None:
    """A script is not asked for Basic, which browsers answer with a dialog of their own."""
    await api.make_key("first", Scope.ADMIN)
    answer = await api.ask("GET", "/tasks", headers={"X-Requested-With": "XMLHttpRequest"})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="taskrunner"')


async def test_what_is_open_needs_no_key(api: Api) -> None:
    """Probes, the console, the documentation; health without its details."""
    secret = await api.make_key("all", Scope.READ, Scope.READ_ALL)
    for path in ("/livez", "/readyz", "/", "/docs", "/openapi.json"):
        assert (await api.get(path)).status == 200
    assert (await api.get("/health")).json == {"status": "ok"}
    details = await api.ask("GET", "/health", headers=bearer(secret))
    assert details.json["checks"]["redis"]["ok"] is True


@pytest.mark.parametrize("access_settings", [AccessSettings(monitor=False)])
async def test_monitoring_can_be_open(api: Api) -> None:
    """`Monitor.auth: none`; tasks still need a key."""
    await api.make_key("first", Scope.ADMIN)
    assert (await api.get("/stats")).status == 200
    assert "checks" in (await api.get("/health")).json
    await api.refusal(401, "key_missing", "GET", "/tasks")


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def test_how_a_key_can_be_sent(api: Api) -> None:
    """As a bearer token, or as the password of any user; the scheme in any case."""
    secret = await api.make_key("k", *EVERYTHING)
    for value in (f"Bearer {secret}", f"bearer  {secret} ", basic("", secret), basic("me", secret)):
        assert (await api.ask("GET", "/tasks", headers={"Authorization": value})).status == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer tr_x", "Digest x", "Basic", "Basic !", "Basic dHJfeA==", "\xe9"],
)
async def test_what_is_no_key(api: Api, value: str) -> None:
    """And the key of another taskrunner."""
    await api.make_key("k", *EVERYTHING)
    await api.refusal(401, "key_unknown", "GET", "/tasks", headers={"Authorization": value})


async def test_one_key_is_enough(api: Api) -> None:
    """A proxy in front of us may have looked at the other one."""
    secret = await api.make_key("k", *EVERYTHING)
    fields = [("Authorization", f"Bearer {each}") for each in (secret, "tr_x")]
    for given in (fields, fields[::-1]):
        await api.refusal(400, "bad_header", "GET", "/tasks", headers=CIMultiDict(given))
        health = await api.ask("GET", "/health", headers=CIMultiDict(given))
        assert health.json == {"status": "ok"}


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("key", ["", "Authorization: Bearer tr_x\r\n"])
async def test_no_body_is_asked_of_a_stranger(api: Api, prefix: str, key: str) -> None:
    """`Expect: 100-continue` asks whether the body would be taken."""
    await api.make_key("k", *EVERYTHING)
    sent = (
        f"POST {prefix}/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{key}"
        "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n"
    )
    answer = await api.talk(sent.encode())
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert problem(answer)["code"] == ("key_unknown" if key else "key_missing")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/tasks", 401),
        ("HEAD", "/api/v1/tasks", 401),
        ("GET", "/api/v1/tasks", 401),
        ("GET", "/api/v1/tasks/", 308),
        ("DELETE", "/tasks/x/", 308),
        ("GET", "//tasks", 404),
        ("GET", "/./tasks", 404),
        ("GET", "/%74asks", 401),
        ("GET", "/TASKS", 404),
        ("OPTIONS", "/tasks", 204),
        ("GET", "/api/v1/api/v1/tasks", 404),
    ],
)
async def test_no_spelling_of_a_path_leads_past_the_check(
    api: Api, method: str, path: str, status: int
) -> None:
    """Nor do the headers by which some servers let a client replace method or path."""
    await api.make_key("k", *EVERYTHING)
    for override in (
        "",
        "X-HTTP-Method-Override: GET\r\nX-Original-URL: /livez\r\nX-Rewrite-URL: /livez\r\n",
    ):
        sent = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{override}\r\n"
        assert int((await api.talk(sent.encode())).split()[1]) == status


async def test_a_connection_proves_nothing(api: Api) -> None:
    """Each request of a pipeline is asked for its own key."""
    secret = await api.make_key("k", *EVERYTHING)
    head = "GET /tasks HTTP/1.1\r\nHost: localhost\r\n"
    sent = f"{head}Authorization: Bearer {secret}\r\n\r\n{head}Connection: close\r\n\r\n"
    answer = await api.talk(sent.encode())
    assert [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"401"]


async def test_a_key_works_at_once(api: Api) -> None:
    """A new one is looked up when it first comes."""
    await api.make_key("first", *EVERYTHING)
    made = await KeyAdmin(api.store, api.clock).create("new", EVERYTHING, owner=None, expires_at=None)
    assert (await api.ask("GET", "/tasks", headers=bearer(made.secret))).status == 200


async def test_a_rotated_key(api: Api) -> None:
    """Both secrets are good for the time of grace; without one, only the new."""
    first = await api.make_key("k", *EVERYTHING)
    answer = await api.ask("POST", "/keys/k/rotate", json={"grace": 3600}, headers=bearer(first))
    second = answer.json["secret"]
    await api.keys.turn()
    for secret in (first, second):
        assert (await api.ask("GET", "/tasks", headers=bearer(secret))).status == 200
    third = (await api.ask("POST", "/keys/k/rotate", json={}, headers=bearer(second))).json["secret"]
    await api.keys.turn()
    for secret in (first, second):
        await api.refusal(401, "key_unknown", "GET", "/tasks", headers=bearer(secret))
    assert (await api.ask("GET", "/tasks", headers=bearer(third))).status == 200


async def test_keys_by_the_api(api: Api) -> None:
    """Made, shown once, listed without the secret, revoked for ever."""
    admin = bearer(await api.make_key("admin", Scope.ADMIN))
    asked = {"name": "web", "scopes": ["submit", "read"], "owner": "shop"}
    made = await api.ask("POST", "/keys", json=asked, headers=admin)
    assert (made.status, made.json["scopes"]) == (201, ["submit", "read"])
    location = made.headers["Location"]
    assert location == "/keys/web"
    assert (await api.ask("GET", location, headers=admin)).json["name"] == "web"
    secret = made.json["secret"]
    assert secret.startswith("tr_")
    assert len(secret) >= len("tr_") + 27
    listed = await api.ask("GET", "/keys", headers=admin)
    assert [key["name"] for key in listed.json["keys"]] == ["admin", "web"]
    assert secret.encode() not in listed.content
    await api.refusal(409, "state_conflict", "POST", "/keys", json=asked, headers=admin)
    revoked = await api.ask("POST", "/keys/web/revoke", headers=admin)
    assert revoked.json["revoked_at"] is not None
    await api.refusal(409, "state_conflict", "POST", "/keys/web/rotate", json={}, headers=admin)
    await api.refusal(409, "state_conflict", "POST", "/keys", json=asked, headers=admin)
    await api.refusal(404, "api_key_unknown", "POST", "/keys/other/revoke", headers=admin)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Web"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a~b"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["write"]}, "scopes.0"),
        ({"scopes": "read"}, "scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": 60}, "expires_at"),
        ({"owner": 5}, "owner"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_key_that_cannot_be_made(api: Api, changes: dict[str, Any], field: str) -> None:
    answer = await api.refusal(
        422, "key_invalid", "POST", "/keys", json={"name": "web", "scopes": ["read"], **changes}
    )
    assert [error["field"] for error in answer["errors"]] == [field]


@pytest.mark.parametrize(
    "name", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]
)
@pytest.mark.parametrize("access_settings", [AccessSettings(), AccessSettings(auth=Auth.LOOPBACK)])
async def test_a_proxy_on_this_machine_makes_nobody_local(api: Api, name: str) -> None:
    """Whoever comes through it may be anybody, while there is no key, too."""
    headers = {name: "for=192.0.2.1"}
    await api.refusal(401, "key_missing", "GET", "/tasks", headers=headers)
    await api.refusal(401, "key_missing", "GET", "/stats", headers=headers)
    assert (await api.ask("GET", "/health", headers=headers)).json == {"status": "ok"}
    assert (await api.get("/tasks")).status == 200


async def test_readiness_names_only_services_to_strangers(api: Api) -> None:
    """The words of their errors name hosts and ports."""
    secret = await api.make_key("all", Scope.READ, Scope.READ_ALL)
    api.health.add("other", lambda: Check(ok=False, error="10.0.0.1:5432 refuses"), needed=True)
    assert (await api.get("/readyz")).json["reasons"] == ["other"]
    told = await api.ask("GET", "/readyz", headers=bearer(secret))
    assert told.json["reasons"] == ["other: 10.0.0.1:5432 refuses"]
