"""Sessions of the console: a cookie in place of a key, for pages of this server only."""

import asyncio
import re
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest

from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.keys.api_key import Scope, digest_of
from taskrunner.domain.value import replace
from taskrunner.producer import sessions as sessions_module
from taskrunner.producer.key_admin import KeyAdmin
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.tools.waiting import eventually, in_time

OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
trusting = pytest.mark.parametrize("server_settings", [ServerSettings(trusted_proxies=("127.0.0.1/32",))])
SECURE = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}


def cookie_in(answer: Answer) -> tuple[str, str, str]:
    """The name, the value and the attributes of the one cookie that is set."""
    (line,) = answer.headers.getall("Set-Cookie")
    pair, _, attributes = line.partition("; ")
    name, _, value = pair.partition("=")
    return name, value, attributes


async def login(api: Api, secret: str, **headers: str) -> dict[str, str]:
    """The headers that a page of the console sends from then on."""
    answer = await api.ask("POST", "/sessions", json={"key": secret}, headers={**OWN_PAGE, **headers})
    assert answer.status == 201, answer.content
    name, value, _ = cookie_in(answer)
    return {**OWN_PAGE, **headers, "Cookie": f"{name}={value}"}


async def admin(api: Api) -> str:
    return await api.make_key("boss", Scope.ADMIN)


async def test_a_key_makes_a_session(api: Api) -> None:
    """Which no script of a page can read; the answer names it, without its secret."""
    secret = await admin(api)
    headers = OWN_PAGE | {"User-Agent": "Mozilla/5.0"}
    answer = await api.ask("POST", "/sessions", json={"key": secret}, headers=headers)
    name, value, attributes = cookie_in(answer)
    assert (answer.status, name, attributes) == (201, "taskrunner", "Path=/; HttpOnly; SameSite=Strict")
    assert re.fullmatch(r"[A-Za-z0-9_-]{27,}", value), "160 bits"
    assert (answer.json["key"], answer.json["current"], answer.json["agent"]) == ("boss", True, "Mozilla/5.0")
    assert value not in answer.content.decode()
    assert secret not in answer.content.decode()
    (known,) = await api.store.console_sessions()
    assert known.session.digest == digest_of(value)
    assert value not in repr(known)
    assert secret not in repr(known)


@trusting
async def test_behind_tls_the_cookie_is_of_this_host_alone(api: Api) -> None:
    """A browser takes it over TLS only, with no Domain; the plain name does not count then."""
    secret = await admin(api)
    answer = await api.ask("POST", "/sessions", json={"key": secret}, headers=OWN_PAGE | SECURE)
    name, value, attributes = cookie_in(answer)
    assert (name, attributes) == ("__Host-taskrunner", "Path=/; HttpOnly; SameSite=Strict; Secure")
    assert answer.json["origin"] == "198.51.100.7"
    for cookie, status in ((f"__Host-taskrunner={value}", 200), (f"taskrunner={value}", 401)):
        assert (await api.ask("GET", "/tasks", headers={**SECURE, "Cookie": cookie})).status == status
    plain = {"X-Forwarded-Proto": "http", "Cookie": f"__Host-taskrunner={value}"}
    await api.refusal(401, "key_missing", "GET", "/tasks", headers=plain)


async def test_a_session_may_do_what_its_key_may(api: Api) -> None:
    """And no more: its scopes, and its own tasks."""
    await admin(api)
    mine = await login(api, await api.make_key("mine", Scope.SUBMIT, Scope.READ))
    made = await api.ask("POST", "/tasks", json={"url": "http://example.com/"}, headers=mine)
    assert (made.status, made.json["created_by"]) == (202, "mine")
    assert (await api.ask("GET", "/tasks", headers=mine)).json["tasks"][0]["id"] == made.json["id"]
    path = f"/tasks/{made.json['id']}/cancel"
    await api.refusal(403, "scope_missing", "POST", path, headers=mine)
    await api.refusal(403, "scope_missing", "GET", "/keys", headers=mine)


@pytest.mark.parametrize(
    "given",
    [
        {"key": "tr_nobody-knows-this-key-0123456789abcdef"},
        {"key": "something else"},
        {"key": "tr_\u00e9\u0000"},
    ],
)
async def test_no_other_key_makes_a_session(api: Api, given: dict[str, str]) -> None:
    await admin(api)
    members = await api.refusal(401, "key_unknown", "POST", "/sessions", json=given, headers=OWN_PAGE)
    assert given["key"] not in members["detail"]
    assert list(await api.store.console_sessions()) == []


@pytest.mark.parametrize("given", [{}, {"key": ""}, {"key": 5}, {"key": "tr_s3cret", "more": 1}, []])
async def test_a_login_without_a_key_is_refused(api: Api, given: Any) -> None:
    """Without what was given in its place."""
    await admin(api)
    answer = await api.ask("POST", "/sessions", json=given, headers=OWN_PAGE)
    assert answer.status == (400 if given == [] else 422)
    assert b"s3cret" not in answer.content


@pytest.mark.parametrize(
    "cookie",
    ["taskrunner=nothing", "taskrunner=", "taskrunner", "other=x", "", "taskrunner={0}; taskrunner=other"],
)
async def test_no_other_cookie_opens_anything(api: Api, cookie: str) -> None:
    """Of two with the name, a stranger has set one."""
    good = (await login(api, await admin(api)))["Cookie"].partition("=")[2]
    headers = {"Cookie": cookie.format(good)}
    answer = await api.ask("GET", "/tasks", headers=headers)
    assert answer.status == 401
    assert answer.json["code"] in {"key_missing", "session_over"}


async def test_a_cookie_stands_among_others(api: Api) -> None:
    headers = await login(api, await admin(api))
    headers["Cookie"] = f"a=b; {headers['Cookie']};c"
    assert (await api.ask("GET", "/tasks", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": None, "Origin": "http://127.0.0.1:{port}"}, 202),
        ({"Sec-Fetch-Site": None}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "http://127.0.0.1:1"}, 403),
        ({"Content-Type": None}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=json"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 202),
    ],
)
@pytest.mark.parametrize("with_body", [True, False])
async def test_a_change_needs_a_page_of_ours(
    api: Api, changed: dict[str, str | None], status: int, with_body: bool
) -> None:
    """Whatever another page makes the browser send along with the cookie changes nothing."""
    headers = {**await login(api, await admin(api)), **changed}
    sent = {name: value.format(port=api.server.port) for name, value in headers.items() if value is not None}
    options: dict[str, Any] = {"data": b'{"url": "http://example.com/"}'} if with_body else {}
    skipped = {"skip_auto_headers": ["Content-Type"]} if "Content-Type" not in sent else {}
    path = "/tasks" if with_body else "/pause?queue=high"
    answer = await api.ask("POST", path, headers=sent, **options, **skipped)
    assert answer.status == (status if with_body or status != 202 else 200)


@pytest.mark.parametrize("server_settings", [ServerSettings(cors=("http://app.localhost:3000",))])
@pytest.mark.parametrize("site", [None, "same-site", "cross-site"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/tasks"), ("POST", "/pause?queue=high")])
async def test_a_page_that_cors_lets_in_has_no_session(
    api: Api, site: str | None, method: str, path: str
) -> None:
    """It is of the same site, so its browser sends the cookie; it needs a key all the same."""
    headers: dict[str, Any] = {**await login(api, await admin(api)), "Origin": "http://app.localhost:3000"}
    headers["Sec-Fetch-Site"] = site
    sent = {name: value for name, value in headers.items() if value is not None}
    await api.refusal(401, "key_missing", method, path, headers=sent)


async def test_a_key_counts_before_a_cookie(api: Api) -> None:
    headers = await login(api, await admin(api))
    weak = bearer(await api.make_key("weak", Scope.SUBMIT))
    await api.refusal(403, "scope_missing", "GET", "/tasks", headers={**headers, **weak})


async def test_sessions_are_listed_to_their_key(api: Api) -> None:
    """Those of all keys to an admin; each sees which one it is."""
    boss, other = await login(api, await admin(api)), await api.make_key("other", Scope.READ)
    first, second = await login(api, other), await login(api, other)
    listed = (await api.ask("GET", "/sessions", headers=second)).json["sessions"]
    assert [(each["key"], each["current"]) for each in listed] == [("other", False), ("other", True)]
    assert all(each["last_used_at"] for each in listed[1:])
    seen = (await api.ask("GET", "/sessions", headers=boss)).json["sessions"]
    assert [each["key"] for each in seen] == ["boss", "other", "other"]
    by_key = (await api.ask("GET", "/sessions", headers=bearer(other))).json["sessions"]
    assert [each["current"] for each in by_key] == [False, False]
    await api.refusal(401, "key_missing", "GET", "/sessions")
    assert first != second


async def test_a_session_is_ended_by_its_key_or_an_admin(api: Api) -> None:
    """For others it is as if it was not."""
    boss, mine = await login(api, await admin(api)), await login(api, await api.make_key("mine", Scope.READ))
    theirs = await login(api, await api.make_key("theirs", Scope.READ))
    ids = {
        each["key"]: each["id"] for each in (await api.ask("GET", "/sessions", headers=boss)).json["sessions"]
    }
    unknown = await api.refusal(404, "session_unknown", "DELETE", "/sessions/never", headers=mine)
    refused = await api.refusal(404, "session_unknown", "DELETE", f"/sessions/{ids['theirs']}", headers=mine)
    assert refused["detail"].replace(ids["theirs"], "never") == unknown["detail"]
    assert (await api.ask("DELETE", f"/sessions/{ids['theirs']}", headers=boss)).status == 204
    await api.refusal(401, "session_over", "GET", "/tasks", headers=theirs)
    ended = await api.ask("DELETE", "/sessions/current", headers=mine)
    name, value, attributes = cookie_in(ended)
    assert (ended.status, name, value) == (204, "taskrunner", "")
    assert "Max-Age=0" in attributes
    await api.refusal(401, "session_over", "GET", "/tasks", headers=mine)
    assert (await api.ask("GET", "/tasks", headers=boss)).status == 200
    entries = (await api.ask("GET", "/audit", headers=boss)).json["entries"]
    actions = [(each["action"], each["key"]) for each in entries if each["action"] == "sessions.delete"]
    assert actions == [("sessions.delete", "mine"), ("sessions.delete", "boss")]
    assert len([each for each in entries if each["action"] == "sessions.create"]) == 3


@pytest.mark.parametrize("how", ["revoked", "rotated", "expired"])
async def test_a_session_ends_with_its_key(api: Api, how: str) -> None:
    """As soon as this process knows of it, which is within a second."""
    other = await admin(api)
    headers = await login(api, await api.make_key("web", Scope.READ))
    assert (await api.ask("GET", "/tasks", headers=headers)).status == 200
    keys = KeyAdmin(api.store, api.clock)
    if how == "revoked":
        await keys.revoke("web")
    elif how == "rotated":
        await keys.rotate("web")
    else:
        (key,) = (known.key for known in await api.store.api_keys() if known.key.name == "web")
        past = SystemClock().now() - timedelta(seconds=1)
        assert await api.store.save_api_key(replace(key, expires_at=past), expected=key)
    await api.keys.turn()
    await api.refusal(401, "session_over", "GET", "/tasks", headers=headers)
    listed = (await api.ask("GET", "/sessions", headers=bearer(other))).json["sessions"]
    assert listed == []


async def test_a_session_lives_through_the_grace_of_a_rotation(api: Api) -> None:
    headers = await login(api, await admin(api))
    await KeyAdmin(api.store, api.clock).rotate("boss", grace=3600)
    await api.keys.turn()
    assert (await api.ask("GET", "/tasks", headers=headers)).status == 200


async def test_the_oldest_of_too_many_sessions_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "MAX_PER_KEY", 2)
    secret = await admin(api)
    first, second, third = [await login(api, secret) for _ in range(3)]
    await api.refusal(401, "session_over", "GET", "/tasks", headers=first)
    for headers in (second, third):
        assert (await api.ask("GET", "/tasks", headers=headers)).status == 200


@trusting
async def test_failed_logins_are_limited_by_address(api: Api) -> None:
    """Ten at once, also for a good key; another address, and a good login, cost nothing."""
    secret = await admin(api)
    bad, here = {"key": "tr_nobody-knows-this-key-0123456789abcdef"}, {"X-Forwarded-For": "2001:db8::1"}
    for _ in range(12):
        await login(api, secret, **here)
    for _ in range(10):
        await api.refusal(401, "key_unknown", "POST", "/sessions", json=bad, headers=OWN_PAGE | here)
    for address in ("2001:db8::1", "2001:db8::ffff"):
        headers = OWN_PAGE | {"X-Forwarded-For": address}
        answer = await api.ask("POST", "/sessions", json={"key": secret}, headers=headers)
        assert (answer.status, answer.json["code"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 6
    await login(api, secret, **{"X-Forwarded-For": "2001:db8:1::1"})


async def leave_in_the_body(api: Api, path: str, *fields: str) -> None:
    """Send half a body, and go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    head = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *fields)
    expects = ("Expect: 100-continue", "Content-Length: 50", "", "")
    writer.write("\r\n".join([*head, *expects]).encode())
    async with in_time("the body is asked for"):
        await reader.readuntil(b"\r\n\r\n")
    writer.write(b'{"key": "')
    writer.close()


async def test_a_login_that_breaks_off_leaves_no_entry_in_the_audit(api: Api) -> None:
    """Anybody could fill the audit. The same of a key, which came later, is an entry."""
    boss = bearer(await admin(api))
    await leave_in_the_body(api, "/sessions")
    await leave_in_the_body(api, "/keys", f"Authorization: {boss['Authorization']}")

    async def actions() -> list[str]:
        entries = (await api.ask("GET", "/audit", headers=boss)).json["entries"]
        return [each["action"] for each in entries]

    await eventually(actions)
    assert await actions() == ["keys.create"]


async def test_a_stale_cookie_locks_nobody_out_of_an_open_server(api: Api) -> None:
    """Until there is a key, this machine needs none."""
    assert (await api.ask("GET", "/tasks", headers={"Cookie": "taskrunner=stale"})).status == 200


async def test_the_cookie_is_one_that_browsers_read(api: Api) -> None:
    """By the standard library's parser."""
    answer = await api.ask("POST", "/sessions", json={"key": await admin(api)}, headers=OWN_PAGE)
    parsed = SimpleCookie(answer.headers["Set-Cookie"])["taskrunner"]
    assert (parsed["httponly"], parsed["samesite"], parsed["path"]) == (True, "Strict", "/")
    assert (parsed["domain"], parsed["expires"], parsed["max-age"]) == ("", "", "")
